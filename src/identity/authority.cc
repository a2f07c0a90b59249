#include "identity/authority.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include "identity/secret_files.h"
#include "net/spiffe.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

// Clocks of two machines differ: certificates are valid from a little before they were made.
constexpr std::int64_t kBackdateMs = 5 * 60 * 1000;
constexpr int kRootsMax = 16;

std::int64_t ToMs(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

std::string Moment(std::int64_t wall_ms) {
  char buffer[25];
  return std::string(Rfc3339(wall_ms, buffer));
}

}  // namespace

CertificateAuthority::CertificateAuthority(std::string folder, AuthorityOptions options)
    : folder_(std::move(folder)),
      options_(std::move(options)),
      lifetime_ms_(ToMs(options_.lifetime)) {}

Result<std::unique_ptr<CertificateAuthority>> CertificateAuthority::Open(std::string folder,
                                                                         AuthorityOptions options) {
  // tidy: the constructor is private
  std::unique_ptr<CertificateAuthority> authority(
      new CertificateAuthority(std::move(folder), std::move(options)));
  const char* const path = authority->folder_.c_str();
  if (::mkdir(path, 0700) != 0 && errno != EEXIST) {
    return absl::FailedPreconditionError(
        StrCat("cannot make the folder ", path, ": ", std::strerror(errno)));
  }
  struct stat found{};
  if (::stat(path, &found) != 0 || !S_ISDIR(found.st_mode) || (found.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        StrCat(path,
               " holds the authority's keys and must be a folder that only its owner can "
               "read: chmod 700 ",
               path));
  }
  TRY(authority->Load());
  TRY(authority->KeepUp());
  return authority;
}

// A root is there when its certificate is: the key is written first.
Status CertificateAuthority::Load() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".crt")) continue;
    if (roots_.size() >= kRootsMax) {
      return absl::FailedPreconditionError(StrCat(folder_, " has more than 16 roots"));
    }
    Root root;
    root.stem = path.substr(0, path.size() - 4);
    TRY(root.pair.certificate, ReadSmallFile(path));
    TRY(root.pair.key, ReadKeyFile(root.stem + ".key"));
    Result<CertificateFacts> facts = ReadFacts(root.pair.certificate);
    if (!facts.ok()) {
      return absl::FailedPreconditionError(
          StrCat(path, ": ", StdView(facts.status().message()),
                 "; restore it, or remove the whole folder for a new authority"));
    }
    root.facts = *std::move(facts);
    root.made_ms = root.facts.not_before_ms + kBackdateMs;
    roots_.push_back(std::move(root));
  }
  if (error) {
    return absl::FailedPreconditionError(StrCat("cannot read ", folder_, ": ", error.message()));
  }
  std::sort(roots_.begin(), roots_.end(),
            [](const Root& a, const Root& b) { return a.made_ms < b.made_ms; });
  return absl::OkStatus();
}

Status CertificateAuthority::MakeNext() {
  // Certificates count in seconds, and their age tells which root is the older one.
  const std::int64_t now =
      roots_.empty() ? WallNow() : std::max(WallNow(), roots_.back().made_ms + 1000);
  Root root;
  TRY(root.pair, MakeRoot({.common_name = StrCat("Tessera authority of ", options_.trust_domain),
                           .uris = {StrCat("spiffe://", options_.trust_domain)},
                           .not_before_ms = now - kBackdateMs,
                           .not_after_ms = now + ToMs(options_.root_lifetime)}));
  TRY(root.facts, ReadFacts(root.pair.certificate));
  root.stem = StrCat(folder_, "/root-", root.facts.serial);
  root.made_ms = now;
  TRY(WriteKeyFile(root.stem + ".key", root.pair.key));
  TRY(WriteKeyFile(root.stem + ".crt", root.pair.certificate));
  Log(LogLevel::kInfo, "made a certificate authority",
      {{"serial", root.facts.serial}, {"until", Moment(root.facts.not_after_ms)}});
  roots_.push_back(std::move(root));
  return absl::OkStatus();
}

// What was issued by a root before its successor issued is no longer valid.
void CertificateAuthority::RemoveRetired() {
  const std::int64_t now = WallNow();
  while (roots_.size() > 1 && now >= roots_[1].made_ms + 2 * lifetime_ms_ + kBackdateMs) {
    ::unlink((roots_.front().stem + ".crt").c_str());
    ::unlink((roots_.front().stem + ".key").c_str());
    Log(LogLevel::kInfo, "removed a certificate authority that has a successor",
        {{"serial", roots_.front().facts.serial}});
    roots_.erase(roots_.begin());
  }
}

Status CertificateAuthority::KeepUp() {
  RemoveRetired();
  const std::int64_t left = roots_.empty() ? 0 : roots_.back().facts.not_after_ms - WallNow();
  if (left < ToMs(options_.root_lifetime) / 5) return MakeNext();
  return absl::OkStatus();
}

const CertificateAuthority::Root& CertificateAuthority::Issuer() const {
  const Root* issuer = &roots_.front();
  for (const Root& root : roots_) {
    if (WallNow() >= root.made_ms + lifetime_ms_) issuer = &root;
  }
  return *issuer;
}

std::string CertificateAuthority::BundleNow() const {
  std::string bundle;
  for (const Root& root : roots_) bundle += root.pair.certificate;
  return bundle;
}

Result<TlsIdentity> CertificateAuthority::Issue(std::string_view spiffe_id, Duration lifetime) {
  const Result<SpiffeId> id = ParseSpiffeId(spiffe_id);
  if (!id.ok() || id->trust_domain != options_.trust_domain || id->segments.empty()) {
    return absl::InvalidArgumentError(StrCat("\"", spiffe_id.substr(0, 200),
                                             "\" is no SPIFFE id of a workload of ",
                                             options_.trust_domain));
  }
  const std::int64_t life =
      lifetime > Duration::zero() ? std::min(ToMs(lifetime), lifetime_ms_) : lifetime_ms_;
  std::lock_guard lock(mutex_);
  TRY(KeepUp());
  const std::int64_t now = WallNow();
  const std::int64_t backdate = std::min(kBackdateMs, life / 4);
  TRY(KeyPair made, IssueWorkload(Issuer().pair, {.common_name = "",
                                                  .uris = {std::string(spiffe_id)},
                                                  .not_before_ms = now - backdate,
                                                  .not_after_ms = now + life}));
  TRY(const CertificateFacts facts, ReadFacts(made.certificate));
  Log(LogLevel::kInfo, "issued a certificate",
      {{"id", spiffe_id}, {"serial", facts.serial}, {"until", Moment(facts.not_after_ms)}});
  return TlsIdentity{.certificates = std::move(made.certificate),
                     .key = std::move(made.key),
                     .trust = BundleNow()};
}

Result<std::string> CertificateAuthority::Bundle() {
  std::lock_guard lock(mutex_);
  TRY(KeepUp());
  return BundleNow();
}

Status CertificateAuthority::Rotate() {
  std::lock_guard lock(mutex_);
  TRY(KeepUp());
  if (roots_.size() > 1) {
    return absl::FailedPreconditionError(
        StrCat("the authority is being replaced already, until ",
               Moment(roots_.back().made_ms + 2 * lifetime_ms_ + kBackdateMs)));
  }
  return MakeNext();
}

}  // namespace tessera
