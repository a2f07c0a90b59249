#pragma once
// A call of another service that is away for a moment: moved, or started again.

#include <algorithm>
#include <utility>

#include "base/ctx.h"
#include "base/status.h"
#include "base/task.h"
#include "runtime/timer.h"

namespace tessera {

inline constexpr auto kPatience = std::chrono::seconds(60);

/// Asks again while the answer is UNAVAILABLE, with growing pauses. For what may be asked twice.
/// `contract` outlives the call.
template <class Contract, class Reply, class Request>
Task<Result<Reply>> AskPatiently(Ctx ctx, Contract* contract,
                                 Task<Result<Reply>> (Contract::*method)(Ctx, Request),
                                 Request request) {
  Duration pause = std::chrono::milliseconds(20);
  const SteadyTime until = Now() + kPatience;
  while (true) {
    Result<Reply> reply = co_await (contract->*method)(ctx, request);
    if (!absl::IsUnavailable(reply.status()) || Now() + pause > until) co_return reply;
    CO_TRY(co_await SleepFor(ctx, pause));
    pause = std::min<Duration>(pause * 2, std::chrono::seconds(1));
  }
}

}  // namespace tessera
