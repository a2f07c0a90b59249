#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"
#include "config/schema.h"
#include "monitoring/burn_rate.h"
#include "monitoring/sli_history.h"
#include "monitoring/sli_terms.h"
#include "monitoring/slo_config.h"
#include "monitoring/slo_words.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;

constexpr std::int64_t kSecond = 1'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kMonth = 30 * kDay;
constexpr std::int64_t kStart = 20'000 * kDay;

Result<SloConfig> Read(const std::string& yaml) {
  ConfigSchema schema;
  schema.Add<SloConfig>("slos", "Objectives.");
  auto snapshot = schema.Parse(StrCat("slos:\n  objectives:\n", yaml), "t.yaml");
  if (!snapshot.ok()) return snapshot.status();
  return snapshot->Get<SloConfig>("slos");
}

TEST(SloConfigTest, DefaultsHoldTheirOwnRules) {
  ConfigSchema schema;
  schema.Add<SloConfig>("slos", "Objectives.");
  const auto snapshot = schema.Parse("", "t.yaml");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  const SloConfig config = snapshot->Get<SloConfig>("slos");
  ASSERT_EQ(config.objectives.size(), 2u);
  for (const SloObjective& objective : config.objectives)
    if (objective.indicator == SloIndicator::kLatency)
      EXPECT_TRUE(CountedThreshold(objective.threshold).ok());
  const auto again = schema.Parse(snapshot->ToYaml(), "t.yaml");
  EXPECT_TRUE(again.ok()) << again.status();
}

TEST(SloConfigTest, MistakesAreNamed) {
  const std::pair<std::string, std::string> cases[] = {
      {"    - {name: A b, routes: [/x]}", "name: must be"},
      {"    - {name: a}", "needs either routes or contracts"},
      {"    - {name: a, routes: [/x], contracts: [C]}", "needs either routes or contracts"},
      {"    - {name: a, indicator: latency, routes: [/x]}",
       "threshold: of the objective a: is missing"},
      {"    - {name: a, indicator: latency, routes: [/x], threshold: 3s}",
       "3s is not counted: figures are kept in buckets that end at 2.147s and 4.295s"},
      {"    - {name: a, indicator: latency, routes: [/x], threshold: 10m}", "must be at most"},
      {"    - {name: a, indicator: first_token, threshold: 1s, routes: [/x]}",
       "neither routes nor"},
      {"    - {name: a, routes: [/x], threshold: 1s}", "its indicator is latency"},
      {"    - {name: a, routes: [/x], target: 100}", "99.999"},
      {"    - {name: a, routes: [/x], window: 100d}", "window"},
      {"    - {name: a, routes: [/x]}\n    - {name: a, routes: [/y]}", "stands there twice"},
  };
  for (const auto& [yaml, wanted] : cases) {
    const auto read = Read(yaml);
    ASSERT_FALSE(read.ok()) << yaml;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(wanted)) << yaml;
  }
  const auto read =
      Read("    - {name: a, indicator: latency, routes: [/x], threshold: 2s, window: 7d}");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(CountedThreshold(read->objectives[0].threshold)->count(), std::int64_t{1} << 31);
}

TEST(SliHistoryTest, AStretchIsAddedUpOverTheFinestRing) {
  SliHistory history;
  for (std::int64_t at = 0; at < 3 * kDay; at += kMinute)
    history.Add(kStart + at, {.good = 9, .total = 10, .seen_ms = kMinute});
  const std::int64_t now = kStart + 3 * kDay - 1;
  EXPECT_EQ(history.Over(now, 5 * kMinute).total, 50);
  EXPECT_EQ(history.Over(now, kHour).total, 600);
  EXPECT_EQ(history.Over(now, 6 * kHour).total, 3'650);  // to a slot of five minutes
  EXPECT_EQ(history.Over(now, 3 * kDay).failed(), 4'320);
  EXPECT_EQ(history.Over(now, kMonth).seen_ms, 3 * kDay);
  EXPECT_EQ(history.BeganMs(now), kStart);
  const auto steps = history.Steps(now, kDay, 24);
  ASSERT_EQ(steps.size(), 24u);
  EXPECT_EQ(steps[5].total, 600);
  // A month on, nothing of it is within a day, and all of it within 90 days.
  EXPECT_EQ(history.Over(now + kMonth, kDay).total, 0);
  EXPECT_EQ(history.Over(now + kMonth, 90 * kDay).total, 43'200);
  EXPECT_EQ(history.Over(now + 93 * kDay, 90 * kDay).total, 0);
}

TEST(SliHistoryTest, WhenItBegan) {
  SliHistory history;
  EXPECT_EQ(history.BeganMs(kStart), kStart);
  history.Add(kStart + 7 * kSecond, {.total = 1});
  EXPECT_EQ(history.BeganMs(kStart + 20 * kMinute), kStart + 5 * kSecond);
  EXPECT_EQ(history.BeganMs(kStart + 2 * kHour), kStart);
  history.Add(kStart + 50 * kDay, {.total = 1});
  EXPECT_EQ(history.BeganMs(kStart + 50 * kDay + kSecond), kStart);
}

TEST(BurnRateTest, WindowsGoWithTheObjectives) {
  const auto month = BurnRulesFor(kMonth);
  EXPECT_EQ(month[0].long_ms, kHour);
  EXPECT_EQ(month[0].short_ms, 5 * kMinute);
  EXPECT_EQ(month[0].rate, 14.4);
  EXPECT_EQ(month[3].long_ms, 3 * kDay);
  const auto week = BurnRulesFor(7 * kDay);
  EXPECT_EQ(week[0].long_ms, 14 * kMinute);
  EXPECT_EQ(week[0].short_ms, 70 * kSecond);
  EXPECT_EQ(BurnRulesFor(kHour)[0].long_ms, kMinute);
  EXPECT_EQ(BurnRulesFor(kHour)[0].short_ms, 10 * kSecond);
}

// Of ten requests a second, from kStart on, the share that fails.
struct Traffic {
  void For(std::int64_t length, double failing) {
    for (const std::int64_t end = now + length; now < end;) {
      now += 5 * kSecond;
      history.Add(now - 1, {.good = 50 * (1 - failing), .total = 50, .seen_ms = 5 * kSecond});
    }
  }
  bool Pages(double allowed) const {
    const auto rules = BurnRulesFor(kMonth);
    return JudgeBurn(rules[0], history, now, allowed, 3).burns ||
           JudgeBurn(rules[1], history, now, allowed, 3).burns;
  }
  bool Tickets(double allowed) const {
    const auto rules = BurnRulesFor(kMonth);
    return JudgeBurn(rules[2], history, now, allowed, 3).burns ||
           JudgeBurn(rules[3], history, now, allowed, 3).burns;
  }
  std::int64_t now = kStart;
  SliHistory history;
};

// The workbook's table: detection after (rate of the rule × long window) / (burn rate).
TEST(BurnRateTest, DetectsAsFastAsTheWorkbookSays) {
  constexpr double kAllowed = 0.001;
  Traffic traffic;
  traffic.For(4 * kDay, 0);
  EXPECT_FALSE(traffic.Pages(kAllowed));
  std::int64_t took = 0;
  while (!traffic.Pages(kAllowed) && took < kDay) {
    traffic.For(5 * kSecond, 1.0);
    took += 5 * kSecond;
  }
  // Everything fails: 14.4 × 0.1 % of an hour are 52 s.
  EXPECT_THAT(static_cast<double>(took), DoubleNear(52'000, 6'000));
  // It is over soon after the cause: the short window forgets in five minutes.
  traffic.For(5 * kMinute + 5 * kSecond, 0);
  EXPECT_FALSE(JudgeBurn(BurnRulesFor(kMonth)[0], traffic.history, traffic.now, kAllowed, 3).burns);
}

TEST(BurnRateTest, ASlowBurnIsATicketAndNoPage) {
  Traffic traffic;
  traffic.For(3 * kDay, 0.0015);  // 1.5 times too fast
  EXPECT_TRUE(traffic.Tickets(0.001));
  EXPECT_FALSE(traffic.Pages(0.001));
  Traffic good;
  good.For(4 * kDay, 0.0009);
  EXPECT_FALSE(good.Tickets(0.001));
}

TEST(BurnRateTest, AYoungPlatformIsNotJudgedByItsFirstMinutes) {
  constexpr double kAllowed = 0.005;
  Traffic traffic;
  traffic.For(2 * kMinute, 0.06);  // 12 times too fast, were it to go on
  EXPECT_FALSE(traffic.Pages(kAllowed));
  EXPECT_FALSE(traffic.Tickets(kAllowed));
  EXPECT_FALSE(
      JudgeBurn(BurnRulesFor(kMonth)[0], traffic.history, traffic.now, kAllowed, 3).enough_data);
  // One that is down from its beginning is told of: 14.4 × 0.5 % of an hour are 4.3 minutes.
  Traffic down;
  down.For(4 * kMinute, 1.0);
  EXPECT_FALSE(down.Pages(kAllowed));
  down.For(30 * kSecond, 1.0);
  EXPECT_TRUE(down.Pages(kAllowed));
}

TEST(BurnRateTest, AFewFailuresOfFewMakeNoAlert) {
  Traffic traffic;
  traffic.history.Add(kStart, {.good = 0, .total = 2, .seen_ms = kDay});
  EXPECT_FALSE(traffic.Pages(0.001));
  traffic.history.Add(kStart, {.good = 0, .total = 1, .seen_ms = 0});
  EXPECT_TRUE(traffic.Pages(0.001));
}

TEST(BurnRateTest, TheBudgetNeedsEnoughToBeABudget) {
  SliHistory history;
  history.Add(kStart, {.good = 99, .total = 100, .seen_ms = 5'000});
  EXPECT_FALSE(JudgeBudget(history, kStart, kMonth, 0.005).enough_data);
  history.Add(kStart, {.good = 900, .total = 900, .seen_ms = 5'000});
  const BudgetState budget = JudgeBudget(history, kStart, kMonth, 0.005);
  EXPECT_TRUE(budget.enough_data);
  EXPECT_THAT(budget.left, DoubleNear(0.8, 1e-9));
  const SloObjective objective{.name = "a"};
  EXPECT_EQ(ReasonOf(objective, budget, StateOf(budget, false)),
            "1 of 1000 requests failed, 80 % of the error budget is left");
}

class SliTermsTest : public testing::Test {
 protected:
  // A reading of that text at a time after the start of the process "p".
  SliSum Count(const SliTerms& terms, std::int64_t at_ms, const std::string& lines,
               std::int64_t started_ms = 0) {
    text_ = StrCat("# TYPE process_start_time_seconds gauge\n",
                   "process_start_time_seconds{group=\"g\",instance=\"p\"} ",
                   MetricNumber(static_cast<double>(kStart + started_ms) / 1000), "\n", lines);
    const auto families = ReadExposition(text_);
    growth_.Begin(kStart + at_ms, at_ms, families);
    SliSum sum;
    for (const MetricFamily& family : families)
      if (terms.Wants(family.name)) terms.Count(family, growth_, sum);
    growth_.End();
    return sum;
  }
  static std::string Requests(int good, int refused, int failed) {
    std::string text = "# TYPE tessera_http_requests_total counter\n";
    for (const auto& [status, count] :
         {std::pair{"2xx", good}, std::pair{"4xx", refused}, std::pair{"5xx", failed}})
      StrAppend(&text,
                "tessera_http_requests_total{group=\"g\",instance=\"p\",route=\"/x\",status=\"",
                status, "\"} ", count, "\n");
    return StrCat(
        text,
        "tessera_http_requests_total{group=\"g\",instance=\"p\",route=\"/y\",status=\"5xx\"} "
        "1000000\n");
  }

  CounterGrowth growth_;
  std::string text_;
  const SliTerms available_{{.name = "a", .routes = {"/x"}}};
};

TEST_F(SliTermsTest, FailuresOfTheRouteAlone) {
  EXPECT_EQ(Count(available_, 1'000, Requests(5, 1, 0)).total, 6);
  const SliSum sum = Count(available_, 6'000, Requests(15, 3, 4));
  EXPECT_EQ(sum.total, 16);
  EXPECT_EQ(sum.failed(), 4);
}

TEST_F(SliTermsTest, WhatWasBeforeTheWatchIsNotCounted) {
  EXPECT_EQ(Count(available_, 0, Requests(500, 0, 0), -kHour).total, 0);
  EXPECT_EQ(Count(available_, 5'000, Requests(507, 0, 0), -kHour).total, 7);
}

TEST_F(SliTermsTest, AProcessThatBeganAgainCountsFromZero) {
  Count(available_, 1'000, Requests(5, 0, 0));
  EXPECT_EQ(Count(available_, 6'000, Requests(2, 0, 0), 3'000).total, 2);
  // More than before in one go, which only its age gives away.
  EXPECT_EQ(Count(available_, 30'000, Requests(4, 0, 0), 20'000).total, 4);
}

TEST_F(SliTermsTest, GoesOnWhereAnotherEnded) {
  Count(available_, 1'000, Requests(5, 0, 0));
  Count(available_, 6'000, Requests(9, 0, 1));
  std::unordered_map<std::string, double> values;
  for (const auto& [key, value] : growth_.TakeChanged()) values.emplace(key, value);
  const std::int64_t since = growth_.watching_since_ms();
  growth_ = CounterGrowth();
  growth_.Restore(since, kStart + 6'000, values);
  const SliSum same = Count(available_, 8'000, Requests(12, 0, 1));
  EXPECT_EQ(same.total, 3);
  EXPECT_EQ(same.failed(), 0);
  growth_ = CounterGrowth();
  growth_.Restore(since, kStart + 6'000, values);
  EXPECT_EQ(Count(available_, 60'000, Requests(12, 0, 1), 50'000).total, 13);
}

TEST_F(SliTermsTest, ClocksThatJumpCountNothingTwice) {
  Count(available_, 1'000, Requests(5, 0, 0));
  text_ = StrCat("# TYPE process_start_time_seconds gauge\n",
                 "process_start_time_seconds{group=\"g\",instance=\"p\"} ",
                 MetricNumber(static_cast<double>(kStart + kHour) / 1000), "\n", Requests(7, 0, 0));
  const auto families = ReadExposition(text_);
  growth_.Begin(kStart + kHour + 6'000, 6'000, families);  // both by an hour
  SliSum sum;
  for (const MetricFamily& family : families)
    if (available_.Wants(family.name)) available_.Count(family, growth_, sum);
  EXPECT_EQ(sum.total, 2);
}

// Every bound of a histogram as /metrics writes it is found by the threshold that ends there.
TEST_F(SliTermsTest, EveryBucketIsFoundByItsThreshold) {
  Histogram histogram;
  for (int i = 0; i + 1 < Histogram::kBuckets; ++i)
    histogram.Observe(std::uint64_t{1} << (Histogram::kFirstBit + i));  // the bucket above
  for (int i = 0; i + 1 < Histogram::kBuckets; ++i) {
    const SloObjective objective{
        .name = "a",
        .indicator = SloIndicator::kLatency,
        .routes = {"/x"},
        .threshold = std::chrono::ceil<std::chrono::microseconds>(
            std::chrono::nanoseconds((std::int64_t{1} << (Histogram::kFirstBit + i)) * 20 / 21))};
    const auto counted = CountedThreshold(objective.threshold);
    if (!counted.ok()) continue;  // microseconds are too coarse for the first two
    std::string text = "# TYPE tessera_http_seconds histogram\n";
    AppendHistogram(text, "tessera_http_seconds",
                    {{"group", "g"}, {"instance", "p"}, {"route", "/x"}}, histogram);
    growth_ = CounterGrowth();
    const SliSum sum = Count(SliTerms(objective), 1'000, text);
    EXPECT_EQ(sum.total, Histogram::kBuckets - 1);
    EXPECT_EQ(sum.good, i) << objective.threshold.count();
  }
}

TEST_F(SliTermsTest, CallsOfAContract) {
  const SliTerms terms({.name = "a", .contracts = {"tessera.v1.Retrieval"}});
  const std::string calls =
      "# TYPE tessera_call_errors_total counter\n"
      "tessera_call_errors_total{group=\"g\",instance=\"p\",method=\"tessera.v1.Retrieval.Search\","
      "code=\"INTERNAL\"} 2\n"
      "tessera_call_errors_total{group=\"g\",instance=\"p\",method=\"tessera.v1.Retrieval.Search\","
      "code=\"NOT_FOUND\"} 5\n"
      "# TYPE tessera_call_seconds histogram\n"
      "tessera_call_seconds_count{group=\"g\",instance=\"p\",method=\"tessera.v1.Retrieval."
      "Search\"} 20\n"
      "tessera_call_seconds_count{group=\"g\",instance=\"p\",method=\"tessera.v1.RetrievalOther."
      "Search\"} 7\n";
  const SliSum sum = Count(terms, 1'000, calls);
  EXPECT_EQ(sum.total, 20);
  EXPECT_EQ(sum.failed(), 2);
}

}  // namespace
}  // namespace tessera
