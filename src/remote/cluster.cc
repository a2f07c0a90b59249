#include "remote/cluster.h"

#include "remote/cluster_call.h"
#include "remote/cluster_state.h"

namespace tessera {

using google::protobuf::MessageLite;

namespace {

// The cluster looks again itself, for all loops at once; and it takes refused calls elsewhere.
ClusterConfig Tuned(ClusterConfig config) {
  config.channel.attempts_max = 1;
  config.channel.reconnect_after_max =
      std::min<Duration>(config.channel.reconnect_after_max, std::chrono::milliseconds(20));
  return config;
}

}  // namespace

Cluster::Cluster(ClusterConfig config, IoLoops& loops)
    : state_(std::make_shared<ClusterState>(Tuned(std::move(config)), loops)) {
  AddToMetrics(state_);
  state_->SetEndpoints(state_->config.endpoints);
}

Cluster::~Cluster() { CHECK(state_->closed); }

void Cluster::SetEndpoints(std::vector<MeshEndpoint> endpoints) {
  state_->SetEndpoints(std::move(endpoints));
}

ClusterSnapshot Cluster::Snapshot() const { return state_->Snapshot(); }

Task<Status> Cluster::Close() { return state_->Close(); }

Task<Status> Cluster::Unary(const MethodInfo* method, Ctx ctx, const MessageLite* request,
                            MessageLite* reply) {
  return CallCluster(state_, method, std::move(ctx), request, reply);
}

Task<Result<std::unique_ptr<RemoteItems>>> Cluster::OpenStream(const MethodInfo* method, Ctx ctx,
                                                               const MessageLite* request) {
  return OpenClusterStream(state_, method, std::move(ctx), request);
}

}  // namespace tessera
