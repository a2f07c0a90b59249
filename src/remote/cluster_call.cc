#include "remote/cluster_call.h"

#include <utility>

#include "remote/retrier.h"
#include "runtime/timer.h"
#include "telemetry/trace.h"

namespace tessera {

using google::protobuf::MessageLite;

namespace {

/// Two attempts at the same call, side by side.
struct Race {
  std::mutex mutex;
  std::optional<Status> ended[2];
  const RemoteEndpoint* first_at = nullptr;  ///< where the first attempt is
  std::optional<WaiterHandle> wake;

  void End(int which, Status status) {
    std::optional<WaiterHandle> waiter;
    {
      std::lock_guard lock(mutex);
      ended[which] = std::move(status);
      waiter = std::exchange(wake, std::nullopt);
    }
    if (waiter) waiter->Complete(absl::OkStatus());
  }
};

/// One call as its attempts need it. What is pointed to outlives them.
struct UnaryJob {
  std::shared_ptr<ClusterState> state;
  const MethodInfo* method;
  const MessageLite* request;
  MessageLite* reply;
  Tried tried;
  std::shared_ptr<Race> race;  ///< null: the only one
  bool once = false;           ///< no retries of its own
};

Task<Status> Attempts(UnaryJob job, Ctx ctx) {
  ClusterState& state = *job.state;
  const RetryConfig& retry = state.config.policy.retry;
  const std::uint64_t key = state.KeyOf(*job.method, ctx, *job.request);
  Retrier retrier(state, *job.method);
  int tries = 0;
  while (true) {
    const SteadyTime entered = Now();
    EndpointLease lease = state.TryEnter(entered, key, job.tried);
    if (!lease) [[unlikely]] {
      CO_TRY(lease, co_await state.Enter(ctx, key, &job.tried));
    }
    if (job.race && !job.once) {
      std::lock_guard lock(job.race->mutex);
      job.race->first_at = &*lease;
    }
    Ctx attempt = ctx;
    SpanScope span(attempt, job.method->full_name, SpanKind::kClient);
    span.Set("server.address", lease->address);
    if (tries > 0) span.Set("tessera.attempt", tries + 1);
    ++tries;
    if (retry.try_timeout > Duration::zero()) attempt.TightenDeadline(Now() + retry.try_timeout);
    Status status;
    if (state.config.faults && state.config.faults->any()) [[unlikely]] {
      status = co_await MeetFaults(state.config.faults, job.method, attempt);
    }
    if (status.ok()) {
      status = co_await lease->channel.Unary(job.method, attempt, job.request, job.reply);
    }
    span.End(status);
    const SteadyTime ended = Now();
    const bool cut = absl::IsDeadlineExceeded(status) && ended < ctx.deadline() &&
                     retry.try_timeout > Duration::zero();
    state.OnOutcome(lease.endpoint(), Judge(status, ended - entered, cut), ended);
    if (status.ok()) {
      if (state.config.policy.hedge.at_p95) {
        state.latencies.Of(*job.method).Observe(ended - entered);
      }
      co_return status;
    }
    job.tried.Add(&*lease);
    lease.Release();
    if (state.closed) co_return ClusterState::Closed();
    if (job.once) co_return status;
    const std::optional<Duration> pause = retrier.Next(status, cut, ctx, job.tried);
    if (!pause) co_return status;
    if (*pause > Duration::zero()) CO_TRY(co_await SleepFor(ctx, *pause));
  }
}

Duration HedgeAfter(ClusterState& state, const MethodInfo& method) {
  const HedgeConfig& hedge = state.config.policy.hedge;
  if (!method.idempotent) return Duration::zero();
  return hedge.at_p95 ? state.latencies.Of(method).p95() : hedge.after;
}

// Until the attempts of `race` that have begun have ended, one of them well, or `until`.
Task<void> WaitForRace(std::shared_ptr<Race> race, int begun, SteadyTime until) {
  while (true) {
    Waiter waiter(Ctx().WithDeadline(until));
    {
      std::lock_guard lock(race->mutex);
      int ended = 0;
      for (const std::optional<Status>& status : race->ended) {
        if (!status) continue;
        if (status->ok()) co_return;
        ++ended;
      }
      if (ended == begun) co_return;
      race->wake = waiter.handle();
    }
    const Status woken = co_await waiter;
    if (!woken.ok()) co_return;
  }
}

Task<void> WaitForAll(std::shared_ptr<Race> race) {
  while (true) {
    Waiter waiter{Ctx()};
    {
      std::lock_guard lock(race->mutex);
      if (race->ended[0] && race->ended[1]) co_return;
      race->wake = waiter.handle();
    }
    const Status woken = co_await waiter;
  }
}

// The call, and after a while a second one elsewhere; the first good answer counts, and the other
// attempt is cancelled. Both have ended when this returns, since they use the caller's messages.
Task<Status> Hedged(UnaryJob job, Ctx ctx, Duration after) {
  ClusterState& state = *job.state;
  Executor* const home = Executor::Current();
  const auto race = std::make_shared<Race>();
  job.race = race;
  CancelSource cancel_first(ctx.cancel());
  Spawn(Attempts(job, ctx.WithCancel(cancel_first.token())),
        [race](Status status) { race->End(0, std::move(status)); });
  co_await WaitForRace(race, 1, Now() + after);
  UnaryJob second = job;
  bool hedge = false;
  {
    std::lock_guard lock(race->mutex);
    hedge = !race->ended[0] && race->first_at != nullptr;
    if (hedge) second.tried.Add(race->first_at);
  }
  if (!hedge || !state.HasAnother(second.tried) || !state.budget.Withdraw(Now())) {
    co_await WaitForRace(race, 1, SteadyTime::max());
    if (home != nullptr) co_await SwitchTo(*home);
    std::lock_guard lock(race->mutex);
    co_return *race->ended[0];
  }
  state.hedges.fetch_add(1, std::memory_order_relaxed);
  const std::unique_ptr<MessageLite> reply(job.reply->New());
  second.reply = reply.get();
  second.once = true;
  CancelSource cancel_second(ctx.cancel());
  Spawn(Attempts(second, ctx.WithCancel(cancel_second.token())),
        [race](Status status) { race->End(1, std::move(status)); });
  co_await WaitForRace(race, 2, SteadyTime::max());
  cancel_first.Cancel(absl::CancelledError("another attempt has answered"));
  cancel_second.Cancel(absl::CancelledError("another attempt has answered"));
  co_await WaitForAll(race);
  if (home != nullptr) co_await SwitchTo(*home);
  std::lock_guard lock(race->mutex);
  if (!race->ended[0]->ok() && race->ended[1]->ok()) {
    state.hedges_won.fetch_add(1, std::memory_order_relaxed);
    job.reply->Clear();
    job.reply->CheckTypeAndMergeFrom(*reply);
    co_return absl::OkStatus();
  }
  co_return *race->ended[0];
}

}  // namespace

Task<Status> MeetFaults(std::shared_ptr<FaultRules> faults, const MethodInfo* method, Ctx ctx) {
  const Fault fault = faults->Decide(method->full_name, ctx);
  if (fault.delay > Duration::zero()) CO_TRY(co_await SleepFor(ctx, fault.delay));
  co_return fault.abort;
}

Task<Status> CallCluster(std::shared_ptr<ClusterState> state, const MethodInfo* method, Ctx ctx,
                         const MessageLite* request, MessageLite* reply) {
  const SteadyTime now = Now();
  state->budget.Deposit(now);
  const Duration total = state->config.policy.retry.total_timeout;
  if (total > Duration::zero()) ctx.TightenDeadline(now + total);
  const Duration after = HedgeAfter(*state, *method);
  UnaryJob job{.state = std::move(state), .method = method, .request = request, .reply = reply};
  if (after > Duration::zero()) return Hedged(std::move(job), std::move(ctx), after);
  return Attempts(std::move(job), std::move(ctx));
}

}  // namespace tessera
