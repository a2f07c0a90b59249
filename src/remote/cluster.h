#pragma once
// A contract served at several addresses: balancing, health, retries and the rest of the mesh, in
// the caller. docs/mesh.md says what each policy does.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "remote/channel.h"
#include "remote/fault_rules.h"
#include "remote/mesh_config.h"
#include "remote/mesh_endpoint.h"

namespace tessera {

/// Finds every address of a host, as "IP:port".
using ResolveFn = std::function<Task<Result<std::vector<std::string>>>(Ctx ctx, std::string name)>;

struct ClusterConfig {
  /// The contract's, or group/contract. Clusters of one name are one in the metrics.
  std::string name;
  MeshPolicy policy;
  RemoteChannelConfig channel;          ///< of every endpoint; its address is theirs
  std::vector<MeshEndpoint> endpoints;  ///< the first ones; may be none
  std::shared_ptr<FaultRules> faults;   ///< null: none
  /// What kHash goes by, instead of BalanceConfig::hash_key; 0: the call has no key.
  std::function<std::uint64_t(const MethodInfo&, const Ctx&, const google::protobuf::MessageLite&)>
      hash_key;
  ResolveFn resolve;  ///< unset: the system's resolver
};

/// For status pages.
struct ClusterSnapshot {
  struct Endpoint {
    MeshEndpoint at;
    std::string state;  ///< "up", "down", "unhealthy", "ejected", "open", "half_open"
    std::int64_t in_flight = 0;
    std::uint64_t calls = 0, failures = 0, ejections = 0, breaker_opened = 0;
    bool takes_calls() const { return state == "up" || state == "half_open"; }
  };
  std::string name;
  std::vector<Endpoint> endpoints;
  std::uint64_t retries = 0, hedges = 0, hedges_won = 0, waited = 0, refused = 0;
  std::int64_t waiting = 0;
  bool panics = false;  ///< too few endpoints work: all are used
};

/// Sends each call to one of its endpoints. Thread-safe. Endpoints whose address is "dns:HOST:PORT"
/// stand for all addresses of the host, looked up again and again.
class Cluster final : public RemoteCaller {
 public:
  Cluster(ClusterConfig config, IoLoops& loops);
  /// Close() comes first.
  ~Cluster() override;
  Cluster(const Cluster&) = delete;

  /// Replaces the list. Endpoints that stay keep their connections; the others finish their calls
  /// and then close.
  void SetEndpoints(std::vector<MeshEndpoint> endpoints);
  ClusterSnapshot Snapshot() const;
  /// Ends every call with UNAVAILABLE, and every connection.
  Task<Status> Close();

  Task<Status> Unary(const MethodInfo* method, Ctx ctx,
                     const google::protobuf::MessageLite* request,
                     google::protobuf::MessageLite* reply) override;
  Task<Result<std::unique_ptr<RemoteItems>>> OpenStream(
      const MethodInfo* method, Ctx ctx, const google::protobuf::MessageLite* request) override;

 private:
  const std::shared_ptr<class ClusterState> state_;
};

}  // namespace tessera
