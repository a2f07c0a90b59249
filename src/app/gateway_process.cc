#include "app/gateway_process.h"

#include <chrono>
#include <utility>

#include "runtime/thread_pool.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(5);

}  // namespace

void GatewayProcess::Attach(Edge& edge, bool serves) {
  serves_ = serves;
  edge_ = &edge;
}

Task<Result<Edge*>> GatewayProcess::AwaitEdge(Ctx ctx) {
  while (edge_.load() == nullptr) CO_TRY(co_await SleepFor(ctx, kLook));
  co_return edge_.load();
}

Task<Result<v1::AcceptConnectionsReply>> GatewayProcess::AcceptConnections(
    Ctx ctx, v1::AcceptConnectionsRequest request) {
  CO_TRY(Edge* const edge, co_await AwaitEdge(std::move(ctx)));
  if (serves_.load()) {
    edge->Accept(request.accepts());
  } else if (request.accepts()) {
    const auto start = [edge] { return edge->Start(); };
    CO_TRY(co_await RunOn(*parts_.blocking, start));
    serves_ = true;
  }
  co_return v1::AcceptConnectionsReply();
}

Task<Result<v1::MethodFigures>> GatewayProcess::GetEdgeFigures(Ctx ctx, v1::GetEdgeFiguresRequest) {
  CO_TRY(const Edge* const edge, co_await AwaitEdge(std::move(ctx)));
  v1::MethodFigures figures;
  figures.set_method("requests of clients");
  if (!serves_.load()) co_return figures;
  const EdgeService::Answered answered = edge->answered();
  figures.set_calls(answered.all);
  figures.set_faults(answered.faults);
  co_return figures;
}

Task<Result<v1::TakeOverReply>> GatewayProcess::TakeOver(Ctx ctx, v1::ControlState request) {
  CO_TRY(co_await parts_.take_over(std::move(ctx), std::move(request)));
  co_return v1::TakeOverReply();
}

Task<Result<v1::LeaveEdgeReply>> GatewayProcess::LeaveEdge(Ctx ctx, v1::LeaveEdgeRequest request) {
  CO_TRY(Edge* const edge, co_await AwaitEdge(ctx));
  leaving_ = true;
  if (serves_.load()) {
    const auto limit = std::chrono::milliseconds(request.timeout_ms());
    const Status left = co_await edge->Leave(ctx.WithTimeout(limit));
    // Cuts what took longer.
    if (!left.ok()) const Status cut = co_await edge->Drain(Ctx().WithTimeout(Duration::zero()));
  }
  parts_.left();
  co_return v1::LeaveEdgeReply();
}

}  // namespace tessera
