#pragma once
// What a topology says beside its groups: who answers public routes, which feature flags there are
// at first.

#include <string>
#include <vector>

#include "control/topology_follower.h"
#include "edge/proxy/proxy_routes.h"
#include "tessera/v1/flags.tessera.h"

namespace tessera {

/// Routes are the topology's for as long as it holds; they go before those of the configuration.
/// A flag is made where there is none of its key when a topology is reached, and is left alone
/// from then on: what was changed while the platform serves holds.
class TopologySections final : public TopologyFollower {
 public:
  /// Both outlive this.
  TopologySections(ProxyRoutes& proxies, Flags& flags) : proxies_(proxies), flags_(flags) {}

  Status Check(const TopologySpec& wanted) override;
  Task<void> Reached(TopologySpec spec, bool anew) override;

 private:
  Task<void> MakeMissing(std::vector<v1::Flag> wanted);

  ProxyRoutes& proxies_;
  Flags& flags_;
  std::string routes_;  // as they stand in the topology that is followed
};

}  // namespace tessera
