#include "remote/cluster_state.h"

#include <algorithm>

#include "net/http_error.h"

namespace tessera {

EndpointLease::EndpointLease(std::shared_ptr<ClusterState> state, EndpointPtr endpoint, bool probe)
    : state_(std::move(state)), endpoint_(std::move(endpoint)), probe_(probe) {}

EndpointLease& EndpointLease::operator=(EndpointLease&& other) noexcept {
  if (this == &other) return *this;
  Release();
  state_ = std::move(other.state_);
  endpoint_ = std::move(other.endpoint_);
  probe_ = other.probe_;
  return *this;
}

void EndpointLease::Release() {
  if (!endpoint_) return;
  endpoint_->Leave(probe_);
  endpoint_.reset();
  state_->Left();
  state_.reset();
}

ClusterState::ClusterState(ClusterConfig with, IoLoops& on)
    : config(std::move(with)),
      loops(on),
      request_key(config.policy.balance),
      budget(config.policy.retry, Now()),
      next_sweep_(Now() + config.policy.outlier.every) {
  plan_ = std::make_shared<const Plan>(std::vector<PlanCandidate>(), config.policy.balance,
                                       SteadyTime::min());
}

std::uint64_t ClusterState::KeyOf(const MethodInfo& method, const Ctx& ctx,
                                  const google::protobuf::MessageLite& request) const {
  if (config.policy.balance.policy != Balance::kHash) return 0;
  return config.hash_key ? config.hash_key(method, ctx, request) : request_key.Of(ctx, request);
}

std::shared_ptr<const Plan> ClusterState::CurrentPlan(SteadyTime now) {
  std::vector<WaiterHandle> wake;
  std::shared_ptr<const Plan> plan;
  {
    std::lock_guard lock(mutex_);
    if (now >= plan_->valid_until()) [[unlikely]]
      wake = Rebuild(now);
    plan = plan_;
  }
  for (const WaiterHandle& waiter : wake) waiter.Complete(absl::OkStatus());
  return plan;
}

EndpointLease ClusterState::TryEnter(SteadyTime now, std::uint64_t key, const Tried& tried) {
  const std::shared_ptr<const Plan> plan = CurrentPlan(now);
  if (plan->empty()) return {};
  const std::vector<PlanCandidate>& candidates = plan->candidates();
  const std::size_t first = plan->Pick(key);
  for (const bool again : {false, true}) {
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const EndpointPtr& endpoint = candidates[(first + i) % candidates.size()].endpoint;
      bool probe = false;
      if (tried.Has(endpoint.get()) == again && endpoint->Enter(&probe)) {
        return EndpointLease(shared_from_this(), endpoint, probe);
      }
    }
  }
  return {};
}

bool ClusterState::HasAnother(const Tried& tried) {
  const std::shared_ptr<const Plan> plan = CurrentPlan(Now());
  return std::any_of(
      plan->candidates().begin(), plan->candidates().end(),
      [&tried](const PlanCandidate& candidate) { return !tried.Has(candidate.endpoint.get()); });
}

// Not CANCELLED: the caller still wants its answer.
Status ClusterState::Closed() {
  return absl::UnavailableError("the instances that had the call have ended; try again");
}

Task<Result<EndpointLease>> ClusterState::Enter(Ctx ctx, std::uint64_t key, const Tried* tried) {
  const auto self = shared_from_this();
  const SteadyTime give_up = Now() + config.policy.wait.time_max;
  waited.fetch_add(1, std::memory_order_relaxed);
  while (true) {
    CO_TRY(ctx.Check());
    Waiter waiter(ctx.WithDeadline(give_up));
    std::uint64_t id = 0;
    {
      std::lock_guard lock(mutex_);
      if (closed) co_return Closed();
      if (waiters_.size() >= config.policy.wait.calls_max) {
        refused.fetch_add(1, std::memory_order_relaxed);
        co_return WithRetryAfter(
            absl::UnavailableError(StrCat("too many calls wait for an endpoint of ", config.name)),
            1);
      }
      id = next_waiter_++;
      waiters_.emplace(id, waiter.handle());
      waiting_ = static_cast<std::int64_t>(waiters_.size());
    }
    // Once more: whoever left before did not see this call waiting.
    const SteadyTime now = Now();
    EndpointLease lease = TryEnter(now, key, *tried);
    Status why = lease ? absl::OkStatus() : WhyNone(now);
    if (lease || !why.ok()) {
      RemoveWaiter(id);
      if (!why.ok()) co_return why;
      co_return lease;
    }
    const Status woken = co_await waiter;
    RemoveWaiter(id);
    if (woken.ok()) continue;
    CO_TRY(ctx.Check());
    refused.fetch_add(1, std::memory_order_relaxed);
    co_return WithRetryAfter(
        absl::UnavailableError(StrCat("no endpoint of ", config.name, " can take the call")), 1);
  }
}

// UNAVAILABLE when waiting is of no use: every endpoint has been found bad just now.
Status ClusterState::WhyNone(SteadyTime now) {
  std::lock_guard lock(mutex_);
  if (endpoints_.empty()) return absl::OkStatus();
  SteadyTime soonest = SteadyTime::max();
  for (const auto& [address, endpoint] : endpoints_) {
    if (endpoint->breaker.At(now) != CircuitBreaker::State::kOpen) return absl::OkStatus();
    soonest = std::min(soonest, endpoint->breaker.open_until());
  }
  refused.fetch_add(1, std::memory_order_relaxed);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(soonest - now).count();
  return WithRetryAfter(
      absl::UnavailableError(StrCat("too many calls to ", config.name, " have failed lately")),
      std::max(1, static_cast<int>(seconds)));
}

void ClusterState::RemoveWaiter(std::uint64_t id) {
  std::lock_guard lock(mutex_);
  waiters_.erase(id);
  waiting_ = static_cast<std::int64_t>(waiters_.size());
}

void ClusterState::Left() {
  if (waiting_.load() == 0) return;
  while (true) {
    WaiterHandle first;
    {
      std::lock_guard lock(mutex_);
      if (waiters_.empty()) return;
      first = waiters_.begin()->second;
      waiters_.erase(waiters_.begin());
      waiting_ = static_cast<std::int64_t>(waiters_.size());
    }
    if (first.Complete(absl::OkStatus())) return;  // else it has gone: another one
  }
}

void ClusterState::OnOutcome(const EndpointPtr& endpoint, Outcome outcome, SteadyTime now) {
  switch (outcome) {
    case Outcome::kBusy:
    case Outcome::kNeutral:
      return;
    case Outcome::kGood:
      if (endpoint->faults_in_a_row.load(std::memory_order_relaxed) != 0) {
        endpoint->faults_in_a_row.store(0, std::memory_order_relaxed);
      }
      endpoint->good.fetch_add(1, std::memory_order_relaxed);
      endpoint->breaker.CountGood();
      if (endpoint->breaker.closed()) [[likely]]
        return;
      break;
    case Outcome::kFault:
    case Outcome::kLost:
      endpoint->bad.fetch_add(1, std::memory_order_relaxed);
      [[fallthrough]];
    case Outcome::kUnreached:
      endpoint->failures.fetch_add(1, std::memory_order_relaxed);
      break;
  }
  std::vector<WaiterHandle> wake;
  {
    std::lock_guard lock(mutex_);
    bool changed = false;
    if (outcome == Outcome::kGood) {
      changed = endpoint->breaker.OnGoodProbe(now);
    } else if (outcome == Outcome::kUnreached) {
      changed = !std::exchange(endpoint->down, true);
      if (changed) {
        endpoint->down_checks = 0;
        if (endpoint->tend_wake) wake.push_back(*endpoint->tend_wake);
        if (resolve_wake_) wake.push_back(*resolve_wake_);
      }
    } else {
      changed = NoteFault(*endpoint, now);
      // A lost connection says nothing of how the server answers.
      if (outcome == Outcome::kFault && endpoint->breaker.OnFault(now)) changed = true;
    }
    if (changed) {
      for (WaiterHandle& waiter : Rebuild(now)) wake.push_back(std::move(waiter));
    }
  }
  for (const WaiterHandle& waiter : wake) waiter.Complete(absl::OkStatus());
}

bool ClusterState::MayEject(SteadyTime now) const {
  const auto ejected =
      std::count_if(endpoints_.begin(), endpoints_.end(),
                    [now](const auto& entry) { return entry.second->ejection.ejected(now); });
  return static_cast<double>(ejected + 1) <=
         config.policy.outlier.ejected_part_max * static_cast<double>(endpoints_.size());
}

bool ClusterState::NoteFault(RemoteEndpoint& endpoint, SteadyTime now) {
  const int limit = config.policy.outlier.faults_in_a_row;
  const int faults = endpoint.faults_in_a_row.fetch_add(1, std::memory_order_relaxed) + 1;
  if (limit == 0 || faults < limit || endpoint.ejection.ejected(now) || !MayEject(now))
    return false;
  endpoint.faults_in_a_row = 0;
  endpoint.ejection.Eject(now, config.policy.outlier);
  endpoint.ejected_lately = true;
  return true;
}

void ClusterState::Sweep(SteadyTime now) {
  next_sweep_ = now + config.policy.outlier.every;
  std::vector<CallCounts> counts;
  std::vector<RemoteEndpoint*> endpoints;
  for (const auto& [address, endpoint] : endpoints_) {
    counts.push_back({endpoint->good.exchange(0), endpoint->bad.exchange(0)});
    endpoints.push_back(endpoint.get());
  }
  for (const std::size_t i : SuccessRateOutliers(counts, config.policy.outlier)) {
    if (endpoints[i]->ejection.ejected(now) || !MayEject(now)) continue;
    endpoints[i]->ejection.Eject(now, config.policy.outlier);
    endpoints[i]->ejected_lately = true;
  }
  for (RemoteEndpoint* endpoint : endpoints) {
    if (!std::exchange(endpoint->ejected_lately, false) && !endpoint->ejection.ejected(now)) {
      endpoint->ejection.Forgive();
    }
  }
}

std::vector<WaiterHandle> ClusterState::Rebuild(SteadyTime now) {
  if (now >= next_sweep_) Sweep(now);
  SteadyTime valid_until = next_sweep_;
  std::vector<PlanInput> inputs;
  for (const auto& [address, endpoint] : endpoints_) {
    const bool ejected = endpoint->ejection.ejected(now);
    const bool open = endpoint->breaker.At(now) == CircuitBreaker::State::kOpen;
    if (ejected) valid_until = std::min(valid_until, endpoint->ejection.until());
    if (open) valid_until = std::min(valid_until, endpoint->breaker.open_until());
    inputs.push_back({.candidate = {.endpoint = endpoint,
                                    .in_flight = &endpoint->in_flight,
                                    .weight = endpoint->at.weight,
                                    .hash = HashOf(address)},
                      .priority = endpoint->at.priority,
                      .works = !endpoint->down && !endpoint->unhealthy && !ejected && !open,
                      .usable_anyway = !endpoint->down && !open});
  }
  std::vector<PlanCandidate> candidates =
      ChooseCandidates(std::move(inputs), config.policy.balance, &panics_);
  plan_ = std::make_shared<const Plan>(std::move(candidates), config.policy.balance, valid_until);
  std::vector<WaiterHandle> wake;
  if (plan_->empty()) return wake;
  for (auto& [id, waiter] : std::exchange(waiters_, {})) wake.push_back(std::move(waiter));
  waiting_ = 0;
  return wake;
}

}  // namespace tessera
