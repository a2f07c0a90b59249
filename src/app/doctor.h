#pragma once
// A look at everything that a platform needs to run well.

#include <optional>
#include <string>

#include "app/doctor_report.h"
#include "app/target.h"
#include "base/ctx.h"
#include "config/schema.h"
#include "net/uri.h"

namespace tessera {

/// What is examined.
struct Patient {
  std::string data;  ///< the data folder; "" when only a server elsewhere is meant
  std::string config_name;
  Result<ConfigSnapshot> config = ConfigSnapshot();
  std::string version;  ///< of this program
  /// The running server, if there is one: its URL, the same taken apart, and its key.
  struct Server {
    std::string base;
    Url url;
    std::string key;
  };
  std::optional<Server> server;
};

/// What the options of a command name: the configuration, the data folder, the server that runs on
/// it or at --url. A configuration with mistakes is a part of it, no error.
Result<Patient> FindPatient(const PlatformTarget& target);

/// Runs every check, one after the other; blocks, at most about ten seconds for what does not
/// answer. Changes nothing.
Report Examine(const Ctx& ctx, const Patient& patient);

/// The parts of it.
void CheckMachine(Report& report);
void CheckData(const std::string& data, Report& report);
void CheckCertificates(const std::string& data, const ConfigSnapshot& config, Report& report);
void CheckServer(const Ctx& ctx, const Patient& patient, Report& report);
void CheckUpstreams(const Ctx& ctx, const ConfigSnapshot& config, Report& report);

}  // namespace tessera
