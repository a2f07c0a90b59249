#include "app/doctor.h"

#include "app/api_caller.h"
#include "app/config_file.h"
#include "app/version.h"
#include "base/str.h"

namespace tessera {

Result<Patient> FindPatient(const PlatformTarget& target) {
  Patient patient;
  patient.version = kVersion;
  if (target.url.empty()) patient.data = target.data.empty() ? DefaultDataFolder() : target.data;
  patient.config_name = target.config.empty() ? "defaults" : target.config;
  patient.config = LoadConfig(target.config);
  const Result<Endpoint> server = FindTarget(target);
  if (server.ok()) {
    TRY(Url url, ParseServerUrl(server->url));
    patient.server = Patient::Server{server->url, std::move(url), server->key};
  } else if (!absl::IsNotFound(server.status())) {
    return server.status();
  }
  return patient;
}

Report Examine(const Ctx& ctx, const Patient& patient) {
  Report report;
  report.Good("version", StrCat("tessera ", patient.version));
  if (patient.config.ok()) {
    report.Good("configuration", StrCat(patient.config_name, ": no mistakes"));
  } else {
    report.Bad("configuration", std::string(patient.config.status().message()),
               "mend the file; \"tessera config explain PATH\" says what a field may be");
  }
  CheckMachine(report);
  if (!patient.data.empty()) CheckData(patient.data, report);
  if (patient.config.ok() && !patient.data.empty())
    CheckCertificates(patient.data, *patient.config, report);
  CheckServer(ctx, patient, report);
  if (patient.config.ok()) CheckUpstreams(ctx, *patient.config, report);
  return report;
}

}  // namespace tessera
