#pragma once
// Which group may call which contract. Asked by the callee, for every call.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/contract.h"
#include "base/status.h"
#include "identity/audit_log.h"
#include "net/tls.h"

namespace tessera {

/// Contracts by their full names ("tessera.v1.Retrieval"), "*" for all; what is not named is
/// refused. Every group that is named may ask for health (grpc.health.v1.Health).
struct CallRules {
  std::map<std::string, std::vector<std::string>> may_call;  ///< by the calling group
  std::vector<std::string> denied_groups;                    ///< revoked, whatever may_call says
  std::vector<std::string> denied_serials;  ///< of certificates, lower-case hexadecimal
};

/// The first part of a workload's path: "inference" of "spiffe://tessera/inference/inference"; ""
/// when it has none.
std::string_view GroupOf(std::string_view spiffe_id);

/// Refuses everything until Set. Thread-safe; Set takes effect with the next call of any
/// connection.
class CallPolicy {
 public:
  /// `audit` gets every refusal and every change; it may be null.
  explicit CallPolicy(std::shared_ptr<AuditLog> audit);
  ~CallPolicy();

  void Set(const CallRules& rules);
  /// OK or PERMISSION_DENIED. For RemoteServerConfig::permit.
  Status Check(const TlsPeer& peer, const MethodInfo& method) const;
  /// Whether the peer is denied altogether: for RemoteServer::CutPeers after a Set.
  bool IsDenied(const TlsPeer& peer) const;
  /// A connection that TLS refused: for RemoteServerConfig::on_refused.
  void RefusedConnection(const std::string& why) const;

 private:
  struct Rules;
  std::shared_ptr<const Rules> Current() const;

  const std::shared_ptr<AuditLog> audit_;
  mutable std::mutex mutex_;  ///< not atomic<shared_ptr>: libstdc++ 12's lets go of it unordered
  std::shared_ptr<const Rules> rules_;
};

}  // namespace tessera
