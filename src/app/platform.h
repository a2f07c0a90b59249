#pragma once
// All services of the platform in this process, for commands that find no server on their folder.

#include <memory>
#include <string>

#include "app/service_host.h"
#include "base/status.h"
#include "config/schema.h"

namespace tessera {

/// Thread-safe once started. Destroying it drains what runs and closes the store.
class Platform {
 public:
  /// Opens the data folder and starts the services; returns when the models are loaded.
  /// FAILED_PRECONDITION when another process has the folder.
  static Result<std::unique_ptr<Platform>> Start(const ConfigSnapshot& config,
                                                 const std::string& data);
  ~Platform();

  Contracts contracts() { return host_.callers().contracts(); }

 private:
  Platform(DataFolder folder, const ConfigSnapshot& config, std::unique_ptr<ProcessTrust> trust);
  Task<Status> StartServices();

  const ConfigSnapshot config_;
  const DataFolder folder_;
  const std::unique_ptr<ProcessTrust> trust_;  // of nobody: there are no other processes
  ServiceHost host_;
};

/// The collection "default" is there from the start, so that questions to it say "nothing found",
/// not "no collection".
Task<Status> MakeDefaultCollection(Contracts contracts);

}  // namespace tessera
