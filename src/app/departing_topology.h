#pragma once
// The topology as a process tells it that has given the control away and still has clients.

#include <functional>
#include <memory>
#include <utility>

#include "tessera/v1/topology_forward.tessera.h"

namespace tessera {

/// Passes calls on to whoever has the control. Who watches a move here is told of it until this
/// process's clients are to leave: a move that waits for them would wait for its own watchers.
class DepartingTopology final : public ForwardingTopology {
 public:
  DepartingTopology(std::shared_ptr<Topology> target, std::function<bool()> leaving)
      : ForwardingTopology(target), there_(std::move(target)), leaving_(std::move(leaving)) {}

  /// Ends, while the move goes on, once `leaving`; ask again, and another process answers.
  Task<Result<StreamPtr<v1::TopologyMove>>> WatchMove(Ctx ctx, v1::GetMoveRequest request) override;

 private:
  const std::shared_ptr<Topology> there_;
  const std::function<bool()> leaving_;
};

}  // namespace tessera
