#pragma once
// Who this process is to the other processes of the platform, and whom it lets in.

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/executor.h"
#include "identity/call_policy.h"
#include "identity/identity_config.h"
#include "identity/workload_identity.h"
#include "remote/channel.h"
#include "remote/server.h"
#include "tessera/v1/group.pb.h"

namespace tessera {

/// The group in the id of the process that was started; no group of a topology has this name.
inline constexpr std::string_view kRootGroup = "root";

/// Thread-safe. Stop() before it is destroyed.
class ProcessTrust {
 public:
  /// `given`: from the platform's own authority, when the mode is builtin. `disk` outlives it.
  static Result<std::unique_ptr<ProcessTrust>> Make(const IdentityConfig& config,
                                                    const v1::ProcessIdentity& given,
                                                    std::shared_ptr<AuditLog> audit,
                                                    Executor& disk);

  /// For a way to processes of a group: they must prove that they are of it.
  void Protect(RemoteChannelConfig& channel, std::string_view group) const;
  /// Who is at an endpoint of a group, as MeshEndpoint::peer; empty: anybody.
  std::string PeerOf(std::string_view group) const;
  /// For a server whose first listener other processes of the platform call.
  void Protect(RemoteServerConfig& server) const;
  /// Whose connections are cut when their identity is revoked; nullptr once it drains.
  void CutAt(RemoteServer* server);

  Status SetIdentity(const v1::ProcessIdentity& identity);
  void SetRules(const v1::SetRoutesRequest& request);
  Task<Status> Stop();

 private:
  ProcessTrust(const IdentityConfig& config, std::shared_ptr<AuditLog> audit)
      : config_(config), policy_(std::move(audit)) {}

  const IdentityConfig config_;
  CallPolicy policy_;
  std::mutex mutex_;
  std::optional<std::string> rules_;  ///< as they were set last
  RemoteServer* server_ = nullptr;
  std::unique_ptr<WorkloadIdentity> identity_;  // null: off
};

/// "spiffe://tessera/data/retrieval.dataprep"
std::string SpiffeIdOf(const IdentityConfig& config, std::string_view group,
                       const std::vector<std::string>& services);
v1::ProcessIdentity ToMessage(const TlsIdentity& identity);
TlsIdentity FromMessage(const v1::ProcessIdentity& message);

}  // namespace tessera
