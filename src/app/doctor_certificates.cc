// Certificates: the platform's own authority, or the files that an operator keeps.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "app/doctor.h"
#include "app/terminal.h"
#include "base/clock.h"
#include "base/str.h"
#include "identity/identity_config.h"
#include "identity/issue.h"

namespace tessera {
namespace {

constexpr std::int64_t kDayMs = std::int64_t{24} * 3600 * 1000;
// What cert-manager and SPIRE keep is renewed long before this.
constexpr std::int64_t kNearMs = 7 * kDayMs;

void CheckCertificate(const std::string& path, const std::string& remedy, Report& report) {
  std::ifstream file(path);
  if (!file) {
    report.Bad("certificate", StrCat("cannot read ", path), remedy);
    return;
  }
  const std::string pem((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const Result<CertificateFacts> facts = ReadFacts(pem);
  if (!facts.ok()) {
    report.Bad("certificate", StrCat(path, ": ", facts.status().message()), remedy);
    return;
  }
  const std::int64_t now = WallMillis();
  const std::int64_t life = facts->not_after_ms - facts->not_before_ms;
  const std::int64_t left = facts->not_after_ms - now;
  if (left <= 0) {
    report.Bad("certificate", StrCat(path, " has expired"), remedy);
  } else if (facts->not_before_ms > now) {
    report.Bad("certificate", StrCat(path, " is not valid yet"), "set the clock right");
  } else if (left < std::min(kNearMs, life / 3)) {
    report.Warning("certificate", StrCat(path, " ends in ", HumanSeconds(double(left) / 1000)),
                   remedy);
  } else {
    report.Good("certificate", StrCat(path, " is valid for ", left / kDayMs, " days"));
  }
}

void CheckAuthority(const std::string& folder, Report& report) {
  std::error_code error;
  bool found = false;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".crt") continue;
    found = true;
    CheckCertificate(entry.path().string(), "restart the platform: it makes a new authority",
                     report);
  }
  if (!found) report.Good("certificates", "made when services first run apart");
}

}  // namespace

void CheckCertificates(const std::string& data, const ConfigSnapshot& config, Report& report) {
  const IdentityConfig& identity = config.Get<IdentityConfig>("identity");
  switch (identity.mode) {
    case IdentityMode::kBuiltin:
      CheckAuthority(data + "/ca", report);
      return;
    case IdentityMode::kFiles:
      for (const std::string& path : {identity.certificate, identity.trust})
        CheckCertificate(path, "have its issuer (cert-manager, SPIRE) renew it", report);
      return;
    case IdentityMode::kOff:
      report.Good("certificates", "none: identity.mode is off");
      return;
  }
}

}  // namespace tessera
