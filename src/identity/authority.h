#pragma once
// The platform's own certificate authority: a root in a folder, and certificates for workloads.

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "identity/issue.h"
#include "net/tls.h"

namespace tessera {

struct AuthorityOptions {
  std::string trust_domain = "tessera";
  /// Of workloads' certificates: none lives longer, and each is to be renewed after half of it.
  Duration lifetime = std::chrono::hours(1);
  Duration root_lifetime = std::chrono::hours(24 * 3650);
  std::function<std::int64_t()> wall_ms;  ///< for tests; unset: WallMillis()
};

/// A root is replaced by time alone, so that nobody needs to be told: for one lifetime the new one
/// is only believed (by then every workload has renewed, and has it in its bundle), then it issues,
/// and after another lifetime the old one has issued nothing that is still valid, and is removed.
/// Thread-safe; calls read and write files.
class CertificateAuthority {
 public:
  /// Makes the folder (0700) and a first root where there is none.
  static Result<std::unique_ptr<CertificateAuthority>> Open(std::string folder,
                                                            AuthorityOptions options = {});

  /// A new certificate and key for a workload of the trust domain, and the bundle of now. Logs the
  /// id, serial and end. `lifetime` 0: the longest.
  Result<TlsIdentity> Issue(std::string_view spiffe_id, Duration lifetime = {});
  /// The roots to be believed, PEM.
  Result<std::string> Bundle();
  /// Begins to replace the root; done by itself when a fifth of the root's life is left.
  /// FAILED_PRECONDITION while an earlier replacement is under way.
  Status Rotate();

 private:
  struct Root {
    KeyPair pair;
    CertificateFacts facts;
    std::string stem;  ///< its two files without their endings
    std::int64_t made_ms = 0;
  };

  CertificateAuthority(std::string folder, AuthorityOptions options);
  std::int64_t WallNow() const { return options_.wall_ms ? options_.wall_ms() : WallMillis(); }
  Status Load();
  Status MakeNext();
  void RemoveRetired();
  Status KeepUp();
  const Root& Issuer() const;
  std::string BundleNow() const;

  const std::string folder_;
  const AuthorityOptions options_;
  const std::int64_t lifetime_ms_;
  std::mutex mutex_;
  std::vector<Root> roots_;  ///< oldest first
};

}  // namespace tessera
