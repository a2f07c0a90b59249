#include "remote/mesh_config.h"

namespace tessera {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

void BalanceConfig::Describe(Fields<BalanceConfig>& f) {
  f.Choice("policy", &BalanceConfig::policy, "How an endpoint is chosen.",
           {{"least_in_flight", Balance::kLeastInFlight},
            {"round_robin", Balance::kRoundRobin},
            {"hash", Balance::kHash}});
  f.Optional("hash_key", &BalanceConfig::hash_key,
             "What the policy `hash` goes by: principal, tenant, request_id, or the path of a "
             "field of the request, as in messages.text.");
  f.Optional("hash_bytes_max", &BalanceConfig::hash_bytes_max,
             "Bytes of the key that count: a prompt's prefix.", 1u, 1u << 20);
  f.Optional("hash_load_max", &BalanceConfig::hash_load_max,
             "An endpoint with more calls than this times the average gives its keys to the next; "
             "0 is never.",
             0.0, 100.0);
  f.Optional("failover_below", &BalanceConfig::failover_below,
             "Part of a priority's endpoints that must work, else the next priorities help.", 0.0,
             1.0);
  f.Optional("panic_below", &BalanceConfig::panic_below,
             "When fewer than this part of all endpoints work, all are used.", 0.0, 1.0);
  f.Check(+[](const BalanceConfig& c) {
    if (c.policy == Balance::kHash && c.hash_key.empty()) {
      return Status(absl::InvalidArgumentError("policy hash needs a hash_key"));
    }
    return absl::OkStatus();
  });
}

void RetryConfig::Describe(Fields<RetryConfig>& f) {
  f.Optional("attempts_max", &RetryConfig::attempts_max,
             "Attempts of an idempotent call that reached a peer; 1 is no retry.", 1, 10);
  f.Optional("backoff", &RetryConfig::backoff,
             "Longest pause before the first retry; doubles. The pause is random below it.",
             milliseconds(0), hours(1));
  f.Optional("backoff_max", &RetryConfig::backoff_max, "Longest pause before any retry.",
             milliseconds(0), hours(1));
  f.Optional("try_timeout", &RetryConfig::try_timeout,
             "Time for one attempt, for a stream until it begins; 0 is the call's own.",
             milliseconds(0), hours(24));
  f.Optional("total_timeout", &RetryConfig::total_timeout,
             "Time for a unary call with all its attempts; 0 is the call's own.", milliseconds(0),
             hours(24));
  f.Optional("budget_part", &RetryConfig::budget_part,
             "Retries and hedges allowed, as a part of the calls of the last ten seconds.", 0.0,
             10.0);
  f.Optional("budget_per_second", &RetryConfig::budget_per_second,
             "Retries and hedges allowed besides.", 0.0, 1e6);
}

void HedgeConfig::Describe(Fields<HedgeConfig>& f) {
  f.Optional("after", &HedgeConfig::after,
             "An idempotent call without an answer for so long is sent to a second endpoint; 0 is "
             "never.",
             milliseconds(0), hours(1));
  f.Optional("at_p95", &HedgeConfig::at_p95,
             "Instead of `after`: when the call takes longer than 95 % of its method's calls.");
}

void WaitConfig::Describe(Fields<WaitConfig>& f) {
  f.Optional("calls_max", &WaitConfig::calls_max,
             "Calls that may wait for an endpoint at once; more are refused.", 0u, 1'000'000u);
  f.Optional("time_max", &WaitConfig::time_max, "Longest wait for an endpoint.", milliseconds(0),
             hours(1));
}

void HealthConfig::Describe(Fields<HealthConfig>& f) {
  f.Optional("enabled", &HealthConfig::enabled, "Endpoints are asked for their health.");
  f.Optional("every", &HealthConfig::every, "Time between two checks of an endpoint.",
             milliseconds(10), hours(1));
  f.Optional("timeout", &HealthConfig::timeout, "Time for one check.", milliseconds(1), hours(1));
  f.Optional("unhealthy_after", &HealthConfig::unhealthy_after, "Failed checks in a row.", 1, 100);
  f.Optional("healthy_after", &HealthConfig::healthy_after, "Good checks in a row.", 1, 100);
  f.Optional("service", &HealthConfig::service,
             "Whose health is asked for; empty is the whole server's.");
}

void OutlierConfig::Describe(Fields<OutlierConfig>& f) {
  f.Optional("faults_in_a_row", &OutlierConfig::faults_in_a_row,
             "Faults in a row that eject an endpoint; 0 is never.", 0, 1'000'000);
  f.Optional("every", &OutlierConfig::every, "How often success rates are compared.",
             milliseconds(10), hours(1));
  f.Optional("deviation", &OutlierConfig::deviation,
             "Standard deviations below the mean success rate that eject an endpoint; 0 is never.",
             0.0, 100.0);
  f.Optional("calls_min", &OutlierConfig::calls_min,
             "Calls of an endpoint within `every` to be compared.", 1u, 1u << 30);
  f.Optional("eject_for", &OutlierConfig::eject_for, "How long, times the number of its ejections.",
             milliseconds(1), hours(24));
  f.Optional("eject_for_max", &OutlierConfig::eject_for_max, "Longest ejection.", milliseconds(1),
             hours(24));
  f.Optional("ejected_part_max", &OutlierConfig::ejected_part_max,
             "Part of the endpoints that may be ejected at once.", 0.0, 1.0);
}

void BreakerConfig::Describe(Fields<BreakerConfig>& f) {
  f.Optional("calls_max", &BreakerConfig::calls_max, "Calls of an endpoint at once; more wait.", 1,
             1'000'000'000);
  f.Optional("failed_part", &BreakerConfig::failed_part,
             "Part of an endpoint's calls that must fail to open its breaker; 0 is never.", 0.0,
             1.0);
  f.Optional("calls_min", &BreakerConfig::calls_min, "Calls within `window` to be judged.", 1u,
             1u << 30);
  f.Optional("window", &BreakerConfig::window, "Over which calls are counted.", milliseconds(10),
             hours(1));
  f.Optional("open_for", &BreakerConfig::open_for,
             "How long an open breaker refuses; doubles each time it opens again.", milliseconds(1),
             hours(1));
  f.Optional("open_for_max", &BreakerConfig::open_for_max, "Longest such time.", milliseconds(1),
             hours(24));
  f.Optional("probes", &BreakerConfig::probes,
             "Calls let through at once while half open; so many good ones close it.", 1, 1000);
}

void ResolveConfig::Describe(Fields<ResolveConfig>& f) {
  f.Optional("every", &ResolveConfig::every, "How often names are resolved again.",
             milliseconds(10), hours(24));
  f.Optional("every_min", &ResolveConfig::every_min,
             "The shortest time between two look-ups, after a failure.", milliseconds(1),
             hours(24));
}

void MeshPolicy::Describe(Fields<MeshPolicy>& f) {
  f.Optional("balance", &MeshPolicy::balance, "How an endpoint is chosen.");
  f.Optional("retry", &MeshPolicy::retry, "What is sent again, and how often.");
  f.Optional("hedge", &MeshPolicy::hedge, "Slow calls are sent twice.");
  f.Optional("wait", &MeshPolicy::wait, "Calls while no endpoint can take them.");
  f.Optional("health", &MeshPolicy::health, "Active health checks.");
  f.Optional("outlier", &MeshPolicy::outlier, "Endpoints that fail more than others.");
  f.Optional("breaker", &MeshPolicy::breaker, "Limits of an endpoint.");
  f.Optional("resolve", &MeshPolicy::resolve, "Look-up of names.");
}

void MeshOverrides::Describe(Fields<MeshOverrides>& f) {
  f.Optional("balance", &MeshOverrides::balance, "How an endpoint is chosen.");
  f.Optional("retry", &MeshOverrides::retry, "What is sent again, and how often.");
  f.Optional("hedge", &MeshOverrides::hedge, "Slow calls are sent twice.");
  f.Optional("wait", &MeshOverrides::wait, "Calls while no endpoint can take them.");
  f.Optional("health", &MeshOverrides::health, "Active health checks.");
  f.Optional("outlier", &MeshOverrides::outlier, "Endpoints that fail more than others.");
  f.Optional("breaker", &MeshOverrides::breaker, "Limits of an endpoint.");
}

MeshPolicy MeshConfig::For(const std::string& contract) const {
  MeshPolicy policy = defaults;
  const auto found = contracts.find(contract);
  if (found == contracts.end()) return policy;
  const MeshOverrides& over = found->second;
  policy.balance = over.balance.value_or(policy.balance);
  policy.retry = over.retry.value_or(policy.retry);
  policy.hedge = over.hedge.value_or(policy.hedge);
  policy.wait = over.wait.value_or(policy.wait);
  policy.health = over.health.value_or(policy.health);
  policy.outlier = over.outlier.value_or(policy.outlier);
  policy.breaker = over.breaker.value_or(policy.breaker);
  return policy;
}

void MeshConfig::Describe(Fields<MeshConfig>& f) {
  f.Optional("defaults", &MeshConfig::defaults, "For every contract.");
  f.Optional("contracts", &MeshConfig::contracts,
             "By a contract's full name, tessera.v1.Inference: groups that replace the defaults'.");
}

}  // namespace tessera
