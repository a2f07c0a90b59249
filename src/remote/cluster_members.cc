// Which endpoints there are, and what becomes of each: checks, retirement, names.

#include <algorithm>
#include <set>

#include "base/ids.h"
#include "grpc/health/v1/health.pb.h"
#include "net/resolve.h"
#include "remote/cluster_state.h"
#include "runtime/timer.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr MethodInfo kCheck = {.name = "Check",
                               .full_name = "grpc.health.v1.Health.Check",
                               .timeout_ms = 10'000,
                               .idempotent = true};
constexpr std::string_view kNamePrefix = "dns:";
// Between two looks at an endpoint that is down.
constexpr Duration kDownPause = std::chrono::milliseconds(10);
constexpr Duration kDownPauseMax = std::chrono::milliseconds(500);
constexpr std::size_t kEndpointsMax = 1000;

// `duration` give or take a fifth, so that callers do not act all at once.
Duration Jittered(Duration duration) {
  return duration * 4 / 5 + duration / 1000 * static_cast<int>(RandomId() % 400);
}

/// OK when the endpoint says that it serves, or is there but cannot say.
Task<Status> Check(EndpointPtr endpoint, HealthConfig health, Ctx ctx) {
  ctx = ctx.WithTimeout(health.timeout);
  const Status connected = co_await endpoint->channel.Connect(ctx);
  if (!connected.ok()) co_return WithFate(connected, CallFate::kUnreached);
  if (!health.enabled) co_return connected;
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(health.service);
  grpc::health::v1::HealthCheckResponse reply;
  const Status status = co_await endpoint->channel.Unary(&kCheck, std::move(ctx), &request, &reply);
  switch (status.code()) {
    case absl::StatusCode::kOk:
      if (reply.status() == grpc::health::v1::HealthCheckResponse::SERVING) co_return status;
      co_return absl::FailedPreconditionError("the endpoint says that it does not serve");
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      co_return absl::OkStatus();
    default:
      co_return status;
  }
}

}  // namespace

bool ClusterState::NoteHealth(RemoteEndpoint& endpoint, const Status& checked, SteadyTime now) {
  const HealthConfig& health = config.policy.health;
  const bool was_down = endpoint.down;
  const bool was_unhealthy = endpoint.unhealthy;
  if (checked.ok()) {
    endpoint.down = false;
    // Whoever came back is another process: what the old one did is forgotten.
    if (was_down) endpoint.ejection.Clear();
    endpoint.checks_in_a_row = std::max(endpoint.checks_in_a_row, 0) + 1;
    if (endpoint.checks_in_a_row >= health.healthy_after) endpoint.unhealthy = false;
  } else if (FateOf(checked) == CallFate::kUnreached) {
    endpoint.down = true;
    ++endpoint.down_checks;
  } else {
    endpoint.checks_in_a_row = std::min(endpoint.checks_in_a_row, 0) - 1;
    if (-endpoint.checks_in_a_row >= health.unhealthy_after) endpoint.unhealthy = true;
  }
  const bool changed = was_down != endpoint.down || was_unhealthy != endpoint.unhealthy;
  if (changed) {
    const bool up = !endpoint.down && !endpoint.unhealthy;
    Log(LogLevel::kInfo, up ? "an endpoint is up" : "an endpoint is down",
        {{"cluster", config.name},
         {"address", endpoint.at.address},
         {"why", StdView(checked.message())}});
  }
  static_cast<void>(now);
  return changed;
}

Duration ClusterState::NextCheck(const RemoteEndpoint& endpoint) const {
  if (endpoint.down) {
    return Jittered(
        std::min(kDownPause * (1 << std::min(endpoint.down_checks, 10)), kDownPauseMax));
  }
  if (config.policy.health.enabled) return Jittered(config.policy.health.every);
  return std::chrono::hours(24);
}

Task<void> ClusterState::Tend(EndpointPtr endpoint) {
  const auto self = shared_from_this();
  const Ctx ctx(nullptr, scope_.token());
  while (ctx.Check().ok()) {
    std::optional<Waiter> waiter;
    {
      std::lock_guard lock(mutex_);
      if (endpoint->removed) co_return;
      waiter.emplace(ctx.WithTimeout(NextCheck(*endpoint)));
      endpoint->tend_wake = waiter->handle();
    }
    const Status woken = co_await *waiter;
    if (woken.ok()) continue;  // something has changed
    if (!absl::IsDeadlineExceeded(woken)) co_return;
    const Status checked = co_await Check(endpoint, config.policy.health, ctx);
    std::vector<WaiterHandle> wake;
    {
      std::lock_guard lock(mutex_);
      if (endpoint->removed) co_return;
      const SteadyTime now = Now();
      if (NoteHealth(*endpoint, checked, now)) wake = Rebuild(now);
    }
    for (const WaiterHandle& call : wake) call.Complete(absl::OkStatus());
  }
}

Task<void> ClusterState::Retire(EndpointPtr endpoint) {
  const auto self = shared_from_this();
  const Status drained = co_await endpoint->Drained(Ctx(nullptr, scope_.token()));
  const Status closed_now = co_await endpoint->channel.Close();
  std::lock_guard lock(mutex_);
  retiring_.erase(endpoint);
}

void ClusterState::SetEndpoints(std::vector<MeshEndpoint> endpoints) {
  if (endpoints.size() > kEndpointsMax) endpoints.resize(kEndpointsMax);
  bool names = false;
  bool start = false;
  std::optional<WaiterHandle> wake;
  {
    std::lock_guard lock(mutex_);
    named_ = endpoints;
    for (const MeshEndpoint& endpoint : endpoints) {
      names = names || endpoint.address.starts_with(kNamePrefix);
    }
    start = names && !std::exchange(resolves_, resolves_ || names);
    wake = resolve_wake_;
  }
  if (!names) {
    SetMembers(std::move(endpoints));
  } else if (start) {
    const bool spawned = scope_.Spawn(loops[0], Resolve());
    static_cast<void>(spawned);  // false: the cluster is closed
  } else if (wake) {
    wake->Complete(absl::OkStatus());
  }
}

void ClusterState::SetMembers(std::vector<MeshEndpoint> members) {
  std::vector<EndpointPtr> added;
  std::vector<EndpointPtr> removed;
  std::vector<WaiterHandle> wake;
  {
    std::lock_guard lock(mutex_);
    if (closed) return;
    std::map<std::string, EndpointPtr> next;
    for (MeshEndpoint& member : members) {
      if (next.contains(member.address)) continue;
      const auto found = endpoints_.find(member.address);
      EndpointPtr& endpoint = next[member.address];
      if (found != endpoints_.end() && found->second->at.peer == member.peer) {
        endpoint = found->second;
        endpoint->at = std::move(member);
        continue;
      }
      endpoint = std::make_shared<RemoteEndpoint>(std::move(member), config.channel,
                                                  config.policy.breaker, loops);
      added.push_back(endpoint);
    }
    for (auto& [address, endpoint] : endpoints_) {
      const auto kept = next.find(address);
      if (kept != next.end() && kept->second == endpoint) continue;
      endpoint->removed = true;
      if (endpoint->tend_wake) wake.push_back(*endpoint->tend_wake);
      removed.push_back(endpoint);
      retiring_.insert(endpoint);
    }
    endpoints_ = std::move(next);
    for (WaiterHandle& waiter : Rebuild(Now())) wake.push_back(std::move(waiter));
  }
  // Not begun when the cluster closes meanwhile, and then Close() does it.
  for (const EndpointPtr& endpoint : removed) scope_.Spawn(loops[0], Retire(endpoint));
  for (const EndpointPtr& endpoint : added) scope_.Spawn(loops[0], Tend(endpoint));
  for (const WaiterHandle& waiter : wake) waiter.Complete(absl::OkStatus());
}

Task<void> ClusterState::Resolve() {
  const auto self = shared_from_this();
  const Ctx ctx(nullptr, scope_.token());
  std::map<std::string, std::vector<std::string>> known;  // the last good answers
  bool failed_before = false;
  while (ctx.Check().ok()) {
    std::vector<MeshEndpoint> named;
    {
      std::lock_guard lock(mutex_);
      named = named_;
    }
    bool failed = false;
    std::vector<MeshEndpoint> members;
    for (const MeshEndpoint& endpoint : named) {
      if (!endpoint.address.starts_with(kNamePrefix)) {
        members.push_back(endpoint);
        continue;
      }
      const std::string name = endpoint.address.substr(kNamePrefix.size());
      const Ctx brief = ctx.WithTimeout(std::chrono::seconds(5));
      Result<std::vector<std::string>> found = config.resolve
                                                   ? co_await config.resolve(brief, name)
                                                   : co_await ResolveAll(loops[0], brief, name);
      if (found.ok() && !found->empty()) {
        known[name] = *std::move(found);
      } else {
        if (!std::exchange(failed, true) && !failed_before)
          Log(LogLevel::kWarning, "cannot resolve the name of a cluster's endpoints",
              {{"cluster", config.name},
               {"name", name},
               {"why", StdView(found.ok() ? "no address" : found.status().message())}});
      }
      for (const std::string& address : known[name]) {
        members.push_back({.address = address,
                           .weight = endpoint.weight,
                           .priority = endpoint.priority,
                           .peer = endpoint.peer});
      }
    }
    SetMembers(std::move(members));
    // However often it is asked to look again.
    const ResolveConfig& pace = config.policy.resolve;
    const Status slept = co_await SleepFor(ctx, Jittered(pace.every_min));
    if (!slept.ok()) co_return;
    failed_before = failed;
    if (failed) continue;
    Waiter waiter(ctx.WithTimeout(Jittered(pace.every)));
    {
      std::lock_guard lock(mutex_);
      resolve_wake_ = waiter.handle();
    }
    const Status woken = co_await waiter;
  }
}

Task<Status> ClusterState::Close() {
  const auto self = shared_from_this();
  Executor* const home = Executor::Current();
  std::map<std::uint64_t, WaiterHandle> waiters;
  {
    std::lock_guard lock(mutex_);
    closed = true;
    for (const auto& [address, endpoint] : endpoints_) retiring_.insert(endpoint);
    endpoints_.clear();
    waiters.swap(waiters_);
    waiting_ = 0;
    plan_ = std::make_shared<const Plan>(std::vector<PlanCandidate>(), config.policy.balance,
                                         SteadyTime::max());
  }
  for (const auto& [id, waiter] : waiters) {
    waiter.Complete(absl::OkStatus());  // sees that it is closed
  }
  const Status stopped = co_await scope_.Stop(Ctx());
  // Their tasks have ended, and nobody else touches the set any more.
  for (const EndpointPtr& endpoint : retiring_) {
    endpoint->removed = true;
    CO_TRY(co_await endpoint->channel.Close());
  }
  if (home != nullptr) co_await SwitchTo(*home);
  co_return absl::OkStatus();
}

ClusterSnapshot ClusterState::Snapshot() {
  ClusterSnapshot snapshot;
  snapshot.name = config.name;
  snapshot.retries = retries.load();
  snapshot.hedges = hedges.load();
  snapshot.hedges_won = hedges_won.load();
  snapshot.waited = waited.load();
  snapshot.refused = refused.load();
  snapshot.waiting = waiting_.load();
  const SteadyTime now = Now();
  std::lock_guard lock(mutex_);
  snapshot.panics = panics_;
  for (const auto& [address, endpoint] : endpoints_) {
    const CircuitBreaker::State breaker = endpoint->breaker.At(now);
    const char* const state = endpoint->down                                ? "down"
                              : endpoint->unhealthy                         ? "unhealthy"
                              : breaker == CircuitBreaker::State::kOpen     ? "open"
                              : endpoint->ejection.ejected(now)             ? "ejected"
                              : breaker == CircuitBreaker::State::kHalfOpen ? "half_open"
                                                                            : "up";
    snapshot.endpoints.push_back({.at = endpoint->at,
                                  .state = state,
                                  .in_flight = endpoint->in_flight.load(),
                                  .calls = endpoint->calls.load(),
                                  .failures = endpoint->failures.load(),
                                  .ejections = endpoint->ejection.total(),
                                  .breaker_opened = endpoint->breaker.times_opened()});
  }
  return snapshot;
}

}  // namespace tessera
