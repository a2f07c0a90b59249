#pragma once
// Calls through a cluster. Only for remote's own .cc files.

#include <memory>

#include "remote/cluster_state.h"

namespace tessera {

Task<Status> CallCluster(std::shared_ptr<ClusterState> state, const MethodInfo* method, Ctx ctx,
                         const google::protobuf::MessageLite* request,
                         google::protobuf::MessageLite* reply);
Task<Result<std::unique_ptr<RemoteItems>>> OpenClusterStream(
    std::shared_ptr<ClusterState> state, const MethodInfo* method, Ctx ctx,
    const google::protobuf::MessageLite* request);

/// Waits and fails as the cluster's fault rules want it.
Task<Status> MeetFaults(std::shared_ptr<FaultRules> faults, const MethodInfo* method, Ctx ctx);

}  // namespace tessera
