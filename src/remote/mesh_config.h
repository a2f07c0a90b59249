#pragma once
// How callers treat the endpoints of a contract: section `mesh` of the configuration. docs/mesh.md.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/fields.h"

namespace tessera {

/// How an endpoint is chosen.
enum class Balance {
  kLeastInFlight,  ///< the less busy of two at random
  kRoundRobin,
  kHash,  ///< the same key goes to the same endpoint
};

struct BalanceConfig {
  Balance policy = Balance::kLeastInFlight;
  /// Of kHash: "principal", "tenant", "request_id", or the path of a request's field: "model",
  /// "messages.text" (of a list the first item counts).
  std::string hash_key;
  std::uint32_t hash_bytes_max = 256;  ///< of the key: a prompt's prefix
  /// An endpoint with more calls than this times the average gives its keys to the next; 0: never.
  double hash_load_max = 0;
  /// Part of a priority's endpoints that must work, else the lower priorities help.
  double failover_below = 0.5;
  /// When fewer than this part of all endpoints work, all are used: the checks may be wrong.
  double panic_below = 0.3;

  static void Describe(Fields<BalanceConfig>& f);
};

struct RetryConfig {
  int attempts_max = 3;  ///< of an idempotent call that reached a peer
  Duration backoff = std::chrono::milliseconds(20);
  Duration backoff_max = std::chrono::seconds(1);
  Duration try_timeout{0};        ///< of one attempt; of a stream: until it begins. 0: the call's
  Duration total_timeout{0};      ///< of a unary call with all its attempts; 0: the call's
  double budget_part = 0.2;       ///< retries and hedges, as a part of the calls of the last 10 s …
  double budget_per_second = 10;  ///< … and so many besides

  static void Describe(Fields<RetryConfig>& f);
};

struct HedgeConfig {
  Duration after{0};    ///< an idempotent call without an answer is sent a second time; 0: never
  bool at_p95 = false;  ///< instead: when it takes longer than 95 % of its method's calls do

  static void Describe(Fields<HedgeConfig>& f);
};

/// While no endpoint can take a call.
struct WaitConfig {
  std::uint32_t calls_max = 1000;                ///< waiting at once; more are refused
  Duration time_max = std::chrono::seconds(30);  ///< and within the call's deadline

  static void Describe(Fields<WaitConfig>& f);
};

/// grpc.health.v1.Health.Check
struct HealthConfig {
  bool enabled = true;
  Duration every = std::chrono::seconds(10);  ///< with a jitter of a fifth
  Duration timeout = std::chrono::seconds(2);
  int unhealthy_after = 2;  ///< failures in a row
  int healthy_after = 1;
  std::string service;  ///< whose health is asked for; empty: the whole server's

  static void Describe(Fields<HealthConfig>& f);
};

struct OutlierConfig {
  int faults_in_a_row = 5;  ///< 0: never for that reason
  Duration every = std::chrono::seconds(10);
  /// Standard deviations below the mean success rate; 0: never for that reason.
  double deviation = 1.9;
  std::uint32_t calls_min = 100;                 ///< of an endpoint within `every`, to be compared
  Duration eject_for = std::chrono::seconds(5);  ///< times the number of ejections
  Duration eject_for_max = std::chrono::minutes(5);
  double ejected_part_max = 0.5;

  static void Describe(Fields<OutlierConfig>& f);
};

struct BreakerConfig {
  std::int64_t calls_max = 10'000;  ///< at once, of an endpoint; more wait
  double failed_part = 0.5;         ///< of the calls within `window` opens it; 0: never
  std::uint32_t calls_min = 20;     ///< within `window`, to be judged
  Duration window = std::chrono::seconds(10);
  Duration open_for = std::chrono::seconds(1);  ///< doubles each time it opens again
  Duration open_for_max = std::chrono::seconds(30);
  int probes = 3;  ///< at once while half open, and good ones in a row that close it

  static void Describe(Fields<BreakerConfig>& f);
};

/// Names are resolved again and again: every address is an endpoint.
struct ResolveConfig {
  Duration every = std::chrono::seconds(10);
  Duration every_min = std::chrono::seconds(1);  ///< after failures

  static void Describe(Fields<ResolveConfig>& f);
};

struct MeshPolicy {
  BalanceConfig balance;
  RetryConfig retry;
  HedgeConfig hedge;
  WaitConfig wait;
  HealthConfig health;
  OutlierConfig outlier;
  BreakerConfig breaker;
  ResolveConfig resolve;

  static void Describe(Fields<MeshPolicy>& f);
};

/// A group that is given replaces that of the defaults as a whole.
struct MeshOverrides {
  std::optional<BalanceConfig> balance;
  std::optional<RetryConfig> retry;
  std::optional<HedgeConfig> hedge;
  std::optional<WaitConfig> wait;
  std::optional<HealthConfig> health;
  std::optional<OutlierConfig> outlier;
  std::optional<BreakerConfig> breaker;

  static void Describe(Fields<MeshOverrides>& f);
};

struct MeshConfig {
  MeshPolicy defaults;
  std::map<std::string, MeshOverrides> contracts;  ///< by full name: "tessera.v1.Inference"

  MeshPolicy For(const std::string& contract) const;
  static void Describe(Fields<MeshConfig>& f);
};

}  // namespace tessera
