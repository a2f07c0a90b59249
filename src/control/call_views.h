#pragma once
// What the processes tell of their calls, as the topology shows it.

#include <string>
#include <vector>

#include "control/deployment.h"
#include "tessera/v1/topology.pb.h"

namespace tessera {

/// Adds the calls of the services that `process` has; the gateway is in the root.
void AddEdges(const v1::GroupStatus& told, const PlatformProcess& process, const std::string& name,
              v1::TopologyStatus* status);
/// The clusters that routes lead to, with what all the processes saw of them. `root_group`: what
/// the gateway's group is called now; its instances may be older than the name.
void AddClusters(const Deployment& deployment, const std::string& root_group,
                 const std::vector<v1::GroupStatus>& told, v1::TopologyStatus* status);

}  // namespace tessera
