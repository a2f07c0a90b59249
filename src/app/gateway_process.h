#pragma once
// The contract Succession in a process with the edge, the old one or its successor.

#include <atomic>
#include <functional>

#include "edge/edge.h"
#include "tessera/v1/succession.tessera.h"

namespace tessera {

/// Thread-safe. What it is given outlives it.
class GatewayProcess final : public Succession {
 public:
  struct Parts {
    std::function<Task<Status>(Ctx, v1::ControlState)> take_over;
    /// No client is connected any more.
    std::function<void()> left;
    Executor* blocking = nullptr;
  };
  explicit GatewayProcess(Parts parts) : parts_(std::move(parts)) {}

  /// Calls wait for it. `serves`: it was started already.
  void Attach(Edge& edge, bool serves);
  /// Its clients are to leave.
  bool leaving() const { return leaving_.load(); }

  Task<Result<v1::AcceptConnectionsReply>> AcceptConnections(
      Ctx ctx, v1::AcceptConnectionsRequest request) override;
  Task<Result<v1::MethodFigures>> GetEdgeFigures(Ctx ctx,
                                                 v1::GetEdgeFiguresRequest request) override;
  Task<Result<v1::TakeOverReply>> TakeOver(Ctx ctx, v1::ControlState request) override;
  Task<Result<v1::LeaveEdgeReply>> LeaveEdge(Ctx ctx, v1::LeaveEdgeRequest request) override;

 private:
  Task<Result<Edge*>> AwaitEdge(Ctx ctx);

  const Parts parts_;
  std::atomic<Edge*> edge_{nullptr};
  std::atomic<bool> serves_{false};
  std::atomic<bool> leaving_{false};
};

}  // namespace tessera
