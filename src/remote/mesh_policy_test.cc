// The policies of a cluster one by one, at times that the test chooses.

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fault.h"
#include "config/read.h"
#include "net/http_error.h"
#include "remote/breaker.h"
#include "remote/caller.h"
#include "remote/latency_quantile.h"
#include "remote/outlier.h"
#include "remote/plan.h"
#include "remote/request_key.h"
#include "remote/retrier.h"
#include "remote/retry_budget.h"
#include "tessera/toy/toy.pb.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const SteadyTime kStart = SteadyTime() + std::chrono::hours(1);

/// Endpoints that are nothing but their load.
class PlanTest : public ::testing::Test {
 protected:
  std::vector<PlanCandidate> Make(std::vector<std::uint32_t> weights) {
    std::vector<PlanCandidate> made;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      made.push_back({.in_flight = &loads_[i],
                      .weight = weights[i],
                      .hash = HashOf(StrCat("10.0.0.", i, ":80"))});
    }
    return made;
  }
  static BalanceConfig Policy(Balance balance) {
    BalanceConfig config;
    config.policy = balance;
    return config;
  }
  std::array<std::atomic<std::int64_t>, 16> loads_{};
};

TEST_F(PlanTest, RoundRobinGivesEachItsShareAndSpreadsIt) {
  const Plan plan(Make({3, 1}), Policy(Balance::kRoundRobin), SteadyTime::max());
  std::array<int, 2> counts{};
  int longest = 0;
  int run = 0;
  for (int i = 0; i < 400; ++i) {
    const std::size_t at = plan.Pick(0);
    ++counts[at];
    run = at == 0 ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  EXPECT_THAT(counts, ElementsAre(300, 100));
  EXPECT_LE(longest, 3);
}

TEST_F(PlanTest, LeastInFlightAvoidsTheBusy) {
  const Plan plan(Make({1, 1, 1}), Policy(Balance::kLeastInFlight), SteadyTime::max());
  loads_[1] = 50;
  std::array<int, 3> counts{};
  for (int i = 0; i < 3000; ++i) ++counts[plan.Pick(0)];
  // It is chosen only against itself, and then its neighbour is.
  EXPECT_EQ(counts[1], 0);
  EXPECT_GT(counts[0], 900);
  EXPECT_GT(counts[2], 900);
}

TEST_F(PlanTest, LeastInFlightHoldsTheWeightsOfIdleEndpoints) {
  const Plan plan(Make({9, 1}), Policy(Balance::kLeastInFlight), SteadyTime::max());
  int light = 0;
  for (int i = 0; i < 10'000; ++i) light += plan.Pick(0) == 1 ? 1 : 0;
  EXPECT_NEAR(light, 1000, 200);
}

TEST_F(PlanTest, AKeyStaysAndOnlyTheKeysOfOneThatGoesMove) {
  const Plan before(Make({1, 1, 2, 1}), Policy(Balance::kHash), SteadyTime::max());
  std::vector<PlanCandidate> fewer = Make({1, 1, 2, 1});
  fewer.erase(fewer.begin() + 1);
  const Plan after(fewer, Policy(Balance::kHash), SteadyTime::max());
  std::array<int, 4> counts{};
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t key = HashOf(StrCat("session-", i));
    const std::size_t was = before.Pick(key);
    EXPECT_EQ(before.Pick(key), was);
    ++counts[was];
    const std::size_t is = after.Pick(key);
    if (was != 1) EXPECT_EQ(is, was > 1 ? was - 1 : was);
  }
  EXPECT_NEAR(counts[0], 1000, 120);
  EXPECT_NEAR(counts[2], 2000, 160) << "weights hold";
}

TEST_F(PlanTest, ABusyEndpointGivesItsKeysToTheNext) {
  BalanceConfig config = Policy(Balance::kHash);
  config.hash_load_max = 1.5;
  const Plan plan(Make({1, 1, 1}), config, SteadyTime::max());
  const std::uint64_t key = HashOf("hot prefix");
  const std::size_t home = plan.Pick(key);
  loads_[home] = 20;
  const std::size_t next = plan.Pick(key);
  EXPECT_NE(next, home);
  EXPECT_EQ(plan.Pick(key), next);
  loads_[home] = 0;
  EXPECT_EQ(plan.Pick(key), home);
}

TEST_F(PlanTest, LowerPrioritiesHelpWhenTooFewWork) {
  const BalanceConfig config;
  const auto choose = [&](std::vector<bool> works) {
    std::vector<PlanInput> inputs;
    std::vector<PlanCandidate> made = Make({1, 1, 1, 1});
    for (std::size_t i = 0; i < 4; ++i) {
      inputs.push_back({.candidate = made[i],
                        .priority = i < 2 ? 0U : 1U,
                        .works = works[i],
                        .usable_anyway = i != 3});
    }
    bool panics = false;
    std::vector<std::size_t> chosen;
    for (const PlanCandidate& candidate : ChooseCandidates(inputs, config, &panics)) {
      chosen.push_back(static_cast<std::size_t>(candidate.in_flight - loads_.data()));
    }
    if (panics) chosen.push_back(99);
    return chosen;
  };
  EXPECT_THAT(choose({true, true, true, true}), ElementsAre(0, 1));
  EXPECT_THAT(choose({true, false, true, true}), ElementsAre(0)) << "half is enough";
  EXPECT_THAT(choose({false, false, true, true}), ElementsAre(2, 3));
  EXPECT_THAT(choose({false, false, true, false}), ElementsAre(2));
  EXPECT_THAT(choose({false, false, false, false}), ElementsAre(0, 1, 2, 99))
      << "in a panic all but those that cannot be reached";
}

BreakerConfig SmallBreaker() {
  BreakerConfig config;
  config.calls_min = 4;
  config.failed_part = 0.5;
  config.window = seconds(10);
  config.open_for = seconds(1);
  config.open_for_max = seconds(3);
  config.probes = 2;
  return config;
}

TEST(BreakerTest, OpensHalfOpensAndCloses) {
  using State = CircuitBreaker::State;
  CircuitBreaker breaker(SmallBreaker());
  SteadyTime now = kStart;
  EXPECT_FALSE(breaker.OnFault(now));
  breaker.CountGood();
  breaker.CountGood();
  EXPECT_TRUE(breaker.OnFault(now)) << "two of four";
  EXPECT_FALSE(breaker.closed());
  EXPECT_EQ(breaker.At(now), State::kOpen);
  now = kStart + seconds(1);
  EXPECT_EQ(breaker.At(now), State::kHalfOpen);
  EXPECT_FALSE(breaker.OnGoodProbe(now));
  EXPECT_TRUE(breaker.OnGoodProbe(now));
  EXPECT_EQ(breaker.At(now), State::kClosed);
}

TEST(BreakerTest, AFailedProbeOpensItForLonger) {
  CircuitBreaker breaker(SmallBreaker());
  SteadyTime now = kStart;
  for (int i = 0; i < 4; ++i) breaker.OnFault(now);
  EXPECT_EQ(breaker.open_until(), now + seconds(1));
  for (const int longer : {2, 3, 3}) {
    now = breaker.open_until();
    ASSERT_EQ(breaker.At(now), CircuitBreaker::State::kHalfOpen);
    EXPECT_TRUE(breaker.OnFault(now));
    EXPECT_EQ(breaker.open_until(), now + seconds(longer));
  }
  EXPECT_EQ(breaker.times_opened(), 4u);
}

TEST(BreakerTest, OldFaultsAreForgotten) {
  CircuitBreaker breaker(SmallBreaker());
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(breaker.OnFault(kStart + seconds(4) * i)) << "three within any window";
  }
}

TEST(OutlierTest, TheOneThatFailsMoreIsFound) {
  const OutlierConfig config;
  EXPECT_THAT(SuccessRateOutliers({{990, 10}, {985, 15}, {700, 300}, {992, 8}}, config),
              ElementsAre(2));
  EXPECT_THAT(SuccessRateOutliers({{990, 10}, {985, 15}, {980, 20}, {992, 8}}, config), IsEmpty())
      << "small differences are noise";
  EXPECT_THAT(SuccessRateOutliers({{500, 500}, {490, 510}, {505, 495}}, config), IsEmpty())
      << "all fail: nobody stands out";
  EXPECT_THAT(SuccessRateOutliers({{990, 10}, {985, 15}, {0, 20}}, config), IsEmpty())
      << "too few calls to tell";
}

TEST(OutlierTest, EachEjectionIsLonger) {
  OutlierConfig config;
  config.eject_for = seconds(5);
  config.eject_for_max = seconds(12);
  Ejection ejection;
  EXPECT_FALSE(ejection.ejected(kStart));
  for (const int expected : {5, 10, 12}) {
    ejection.Eject(kStart, config);
    EXPECT_EQ(ejection.until(), kStart + seconds(expected));
  }
  ejection.Forgive();
  ejection.Forgive();
  ejection.Eject(kStart, config);
  EXPECT_EQ(ejection.until(), kStart + seconds(10));
}

TEST(RetryBudgetTest, IsAPartOfTheRecentCalls) {
  RetryConfig config;
  config.budget_part = 0.2;
  config.budget_per_second = 1;  // ten within its window
  RetryBudget budget(config, kStart);
  const auto withdraw_all = [&](SteadyTime now) {
    int withdrawn = 0;
    while (budget.Withdraw(now)) ++withdrawn;
    return withdrawn;
  };
  for (int i = 0; i < 100; ++i) budget.Deposit(kStart);
  EXPECT_EQ(withdraw_all(kStart + seconds(1)), 30);
  EXPECT_EQ(withdraw_all(kStart + seconds(6)), 0) << "still of the same ten seconds";
  EXPECT_EQ(withdraw_all(kStart + seconds(60)), 10) << "the calls are long ago";
  for (int i = 0; i < 1000; ++i) budget.Deposit(kStart + seconds(61));
  budget.Deposit(kStart + seconds(600));
  EXPECT_EQ(withdraw_all(kStart + seconds(600)), 10) << "calls of long ago give nothing";
}

TEST(LatencyQuantileTest, FindsTheSlowestTwentieth) {
  LatencyQuantile quantile;
  EXPECT_EQ(quantile.p95(), Duration::zero());
  // 1 ms … 100 ms, evenly, in a scattered order.
  for (int i = 0; i < 20'000; ++i) quantile.Observe(milliseconds(1 + i * 37 % 100));
  EXPECT_NEAR(std::chrono::duration<double>(quantile.p95()).count(), 0.095, 0.02);
  for (int i = 0; i < 20'000; ++i) quantile.Observe(milliseconds(1 + i * 37 % 100) * 10);
  EXPECT_NEAR(std::chrono::duration<double>(quantile.p95()).count(), 0.95, 0.2) << "it moves";
}

TEST(RequestKeyTest, TakesWhatTheConfigNames) {
  auto info = std::make_shared<RequestInfo>();
  info->principal.id = "ann";
  info->tenant = "blue";
  const Ctx ctx(info, {});
  toy::AddRequest request;
  request.set_id(7);
  request.set_text("a long prompt that goes on");
  const auto key = [&](std::string name, std::uint32_t bytes) {
    BalanceConfig config;
    config.policy = Balance::kHash;
    config.hash_key = std::move(name);
    config.hash_bytes_max = bytes;
    return RequestKey(config).Of(ctx, request);
  };
  EXPECT_EQ(key("principal", 99), HashOf("ann"));
  EXPECT_EQ(key("tenant", 99), HashOf("blue"));
  EXPECT_EQ(key("text", 6), HashOf("a long"));
  EXPECT_EQ(key("id", 99), HashOf("7"));
  EXPECT_EQ(key("request_id", 99), 0u) << "the call has none";
  EXPECT_EQ(key("nothing.of.this", 99), 0u);
}

TEST(JudgeTest, OnlyTheServersOwnFaultsCount) {
  const auto judge = [](const Status& status) { return Judge(status, milliseconds(5), false); };
  EXPECT_EQ(judge(absl::OkStatus()), Outcome::kGood);
  EXPECT_EQ(judge(absl::NotFoundError("")), Outcome::kGood);
  EXPECT_EQ(judge(absl::InvalidArgumentError("")), Outcome::kGood);
  EXPECT_EQ(judge(absl::InternalError("")), Outcome::kFault);
  EXPECT_EQ(judge(absl::UnavailableError("")), Outcome::kFault);
  EXPECT_EQ(judge(WithErrorCode(absl::UnavailableError("a model is away"), kUpstreamFailed)),
            Outcome::kGood);
  EXPECT_EQ(judge(absl::UnavailableError("")), Outcome::kFault);
  EXPECT_EQ(judge(WithRetryAfter(absl::UnavailableError(""), 1)), Outcome::kBusy);
  EXPECT_EQ(judge(absl::CancelledError("")), Outcome::kNeutral);
  EXPECT_EQ(judge(absl::DeadlineExceededError("")), Outcome::kNeutral) << "the caller's haste";
  EXPECT_EQ(Judge(absl::DeadlineExceededError(""), seconds(2), false), Outcome::kFault);
  EXPECT_EQ(Judge(absl::DeadlineExceededError(""), milliseconds(5), true), Outcome::kFault);
  EXPECT_EQ(judge(WithFate(absl::UnavailableError(""), CallFate::kLost)), Outcome::kLost);
  EXPECT_EQ(judge(WithFate(absl::UnavailableError(""), CallFate::kUnreached)), Outcome::kUnreached);
}

TEST(FaultRulesTest, ByMethodHeaderAndPercentage) {
  FaultRules rules;
  EXPECT_FALSE(rules.any());
  EXPECT_FALSE(rules.Set({{.abort_code = "TEAPOT"}}).ok());
  ASSERT_TRUE(rules
                  .Set({{.method = "tessera.toy.Toy.Ping",
                         .header = "x-drill",
                         .header_value = "on",
                         .delay_percent = 100,
                         .delay = milliseconds(3),
                         .abort_percent = 100,
                         .abort_code = "INTERNAL"},
                        {.method = "tessera.toy.Toy.Tell", .abort_percent = 25}})
                  .ok());
  const auto header = [](std::string_view value) {
    return
        [value](std::string_view name) { return name == "x-drill" ? value : std::string_view(); };
  };
  const Fault hit = rules.Decide("tessera.toy.Toy.Ping", header("on"));
  EXPECT_EQ(hit.delay, milliseconds(3));
  EXPECT_EQ(hit.abort.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(rules.Decide("tessera.toy.Toy.Ping", header("off")).abort.ok());
  EXPECT_TRUE(rules.Decide("tessera.toy.Toy.Add", header("on")).abort.ok());
  int aborted = 0;
  for (int i = 0; i < 10'000; ++i) {
    aborted += rules.Decide("tessera.toy.Toy.Tell", header("")).abort.ok() ? 0 : 1;
  }
  EXPECT_NEAR(aborted, 2500, 300);
  ASSERT_TRUE(rules.Set({}).ok());
  EXPECT_FALSE(rules.any());
}

TEST(MeshConfigTest, AContractsGroupsReplaceTheDefaults) {
  MeshConfig config;
  config.defaults.retry.attempts_max = 5;
  config.contracts["tessera.v1.Inference"].hedge = HedgeConfig{.after = milliseconds(30)};
  const MeshPolicy inference = config.For("tessera.v1.Inference");
  EXPECT_EQ(inference.retry.attempts_max, 5);
  EXPECT_EQ(inference.hedge.after, Duration(milliseconds(30)));
  EXPECT_EQ(config.For("tessera.v1.Retrieval").hedge.after, Duration::zero());
}

TEST(MeshConfigTest, IsReadFromYaml) {
  const auto config = ReadYaml<MeshConfig>(R"(
defaults:
  retry: {try_timeout: 10s, attempts_max: 2}
contracts:
  tessera.v1.Inference:
    balance: {policy: hash, hash_key: messages.text, hash_bytes_max: 512}
)",
                                           "mesh.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->defaults.retry.try_timeout, Duration(seconds(10)));
  EXPECT_EQ(config->For("tessera.v1.Inference").balance.policy, Balance::kHash);
  EXPECT_EQ(config->For("tessera.v1.Inference").retry.attempts_max, 2);
  EXPECT_FALSE(ReadYaml<MeshConfig>("defaults: {balance: {policy: hash}}", "mesh.yaml").ok())
      << "by which key?";
}

}  // namespace
}  // namespace tessera
