#pragma once
// This process's identity, kept fresh.

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/executor.h"
#include "base/status.h"
#include "base/task.h"
#include "identity/authority.h"
#include "identity/identity_config.h"
#include "net/tls.h"
#include "runtime/scope.h"

namespace tessera {

/// Holds the TlsContext that all connections of the process share. Thread-safe.
class WorkloadIdentity {
 public:
  /// Issued by the authority, which outlives this, and issued again at half of its life.
  static Result<std::unique_ptr<WorkloadIdentity>> FromAuthority(CertificateAuthority& authority,
                                                                 std::string spiffe_id,
                                                                 TlsOptions options = {});
  /// From files that somebody else keeps fresh. A certificate and key that do not fit together, or
  /// are not valid, are never used: what was there before stays.
  static Result<std::unique_ptr<WorkloadIdentity>> FromFiles(IdentityFiles files,
                                                             TlsOptions options = {});
  /// Given from outside, and from then on by Set: a child's, over its private channel.
  static Result<std::unique_ptr<WorkloadIdentity>> FromBytes(const TlsIdentity& identity,
                                                             TlsOptions options = {});
  /// Stop() comes first, when it was started.
  ~WorkloadIdentity() = default;

  const std::shared_ptr<TlsContext>& tls() const { return tls_; }
  std::string id() const { return tls_->id(); }

  Status Set(const TlsIdentity& identity);
  /// Renews if it is time, or if the files have changed. Blocks for the disk. An error changes
  /// nothing.
  Status Refresh();

  /// Refreshes in the background, every `interval`; files and signing are `disk`'s work.
  void Start(Executor& disk, Duration interval = std::chrono::seconds(5));
  Task<Status> Stop();

 private:
  using Source = std::function<Result<TlsIdentity>()>;
  WorkloadIdentity(Source source, bool issues, std::shared_ptr<TlsContext> tls,
                   TlsIdentity identity);
  static Result<std::unique_ptr<WorkloadIdentity>> Make(Source source, bool issues,
                                                        const TlsIdentity& identity,
                                                        TlsOptions options);
  Task<void> Keep(Executor* disk, Duration interval);

  const Source source_;  ///< null: only Set
  const bool issues_;    ///< the source makes a new one each time: asked at half-life only
  const std::shared_ptr<TlsContext> tls_;
  std::mutex mutex_;
  TlsIdentity current_;
  std::string complaint_;  ///< why the last attempt failed, as it was logged
  Scope scope_;
};

/// How long until an identity is to be renewed: half of the life it had when it was made, 0 when
/// that is over. For who pushes identities to children.
Result<Duration> TimeToRenew(const TlsIdentity& identity);

}  // namespace tessera
