#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"
#include "promql/evaluate.h"

namespace tessera {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Every 10 s from 0 to 100: two counters of requests, a gauge, a histogram of one kind of value.
class PromqlTest : public ::testing::Test {
 protected:
  void Add(PromLabels labels, std::string name, std::vector<double> values) {
    labels["__name__"] = std::move(name);
    PromSeries series{.labels = std::move(labels), .points = {}};
    for (std::size_t i = 0; i < values.size(); ++i)
      series.points.push_back({static_cast<std::int64_t>(i) * 10'000, values[i]});
    all_.push_back(std::move(series));
  }

  void SetUp() override {
    std::vector<double> slow;
    std::vector<double> fast;
    std::vector<double> gauge;
    for (int i = 0; i <= 10; ++i) {
      slow.push_back(i * 10);
      fast.push_back(1000 + i * 50);
      gauge.push_back(i % 2 == 0 ? 4 : -2);
    }
    Add({{"route", "/a"}, {"code", "2xx"}}, "requests_total", slow);
    Add({{"route", "/b"}, {"code", "2xx"}}, "requests_total", fast);
    Add({{"route", "/a"}, {"code", "5xx"}}, "requests_total", {0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4});
    Add({{"route", "/a"}}, "open", gauge);
    Add({{"route", "/b"}}, "open", {1, 1, 1, 1, PromAbsent()});
    Add({{"route", "/a"}}, "other", gauge);
    Add({{"le", "0.1"}}, "s_bucket", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    Add({{"le", "0.5"}}, "s_bucket", {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20});
    Add({{"le", "+Inf"}}, "s_bucket", {0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40});
  }

  Result<PromResult> Evaluate(std::string_view text, PromRange range) {
    TRY(const auto expr, ParsePromql(text));
    const PromSelect select = [this](const std::vector<PromMatcher>& matchers, std::int64_t from_ms,
                                     std::int64_t to_ms) -> Result<PromSamples> {
      PromSamples found{.series = {}, .step_ms = 10'000};
      for (const PromSeries& series : all_) {
        const bool fits = std::ranges::all_of(matchers, [&](const PromMatcher& matcher) {
          const auto label = series.labels.find(matcher.label);
          return matcher.Matches(label == series.labels.end() ? "" : label->second);
        });
        if (!fits) continue;
        PromSeries& kept = found.series.emplace_back(series);
        std::erase_if(kept.points, [&](const PromPoint& point) {
          return point.at_ms <= from_ms || point.at_ms > to_ms;
        });
      }
      return found;
    };
    return EvaluatePromql(*expr, range, select);
  }

  // At 100 s: "{a="b"} value" each.
  std::map<std::string, double> At(std::string_view text) {
    const auto result = Evaluate(text, {.from_ms = 100'000, .to_ms = 100'000});
    EXPECT_TRUE(result.ok()) << text << ": " << result.status();
    std::map<std::string, double> found;
    if (!result.ok()) return found;
    for (const PromRow& row : result->rows) {
      std::string labels;
      for (const auto& [name, value] : row.labels)
        StrAppend(&labels, labels.empty() ? "" : ",", name, "=", value);
      found[labels] = row.values.at(0);
    }
    return found;
  }
  std::string Error(std::string_view text) {
    return std::string(
        StdView(Evaluate(text, {.from_ms = 100'000, .to_ms = 100'000}).status().message()));
  }

  std::vector<PromSeries> all_;
};

TEST_F(PromqlTest, Selects) {
  EXPECT_THAT(At("requests_total{route=\"/b\"}"),
              ElementsAre(Pair("__name__=requests_total,code=2xx,route=/b", 1500)));
  EXPECT_THAT(At("{__name__=~\"req.*\",code!~\"2..\"}"),
              ElementsAre(Pair("__name__=requests_total,code=5xx,route=/a", 4)));
  EXPECT_THAT(At("open{missing!=\"\"}"), IsEmpty());
  // The second ended; nothing is looked back at.
  EXPECT_THAT(At("open"), ElementsAre(Pair("__name__=open,route=/a", 4)));
}

TEST_F(PromqlTest, RatesAreThoseOfPrometheus) {
  // Of 20, 30 … 100 s within (10, 100]: extrapolated to both ends.
  EXPECT_THAT(At("rate(requests_total{code=\"2xx\"}[90s])"),
              ElementsAre(Pair("code=2xx,route=/a", DoubleNear(1, 1e-9)),
                          Pair("code=2xx,route=/b", DoubleNear(5, 1e-9))));
  EXPECT_THAT(At("increase(requests_total{route=\"/b\"}[1m])"),
              ElementsAre(Pair("code=2xx,route=/b", DoubleNear(300, 1e-9))));
  // A counter that began again at 60 s: 2 … 5, 0 … 4 is a growth of 7 in 80 s, and not below zero.
  EXPECT_THAT(At("increase(requests_total{code=\"5xx\"}[90s])"),
              ElementsAre(Pair("code=5xx,route=/a", DoubleNear(7 * 90.0 / 80, 1e-9))));
  EXPECT_THAT(At("irate(requests_total{route=\"/b\"}[1m])"),
              ElementsAre(Pair("code=2xx,route=/b", DoubleNear(5, 1e-9))));
  EXPECT_THAT(At("delta(open{route=\"/a\"}[40s])"),
              ElementsAre(Pair("route=/a", DoubleNear(8, 1e-9))));
  // A window that would hold one point is as long as it takes, and tells of what was asked for.
  EXPECT_THAT(At("increase(requests_total{route=\"/b\"}[1s])"),
              ElementsAre(Pair("code=2xx,route=/b", DoubleNear(5, 1e-9))));
  EXPECT_THAT(At("changes(open[1m]) + resets(open[1m])"), ElementsAre(Pair("route=/a", 5 + 2)));
}

TEST_F(PromqlTest, LooksOverTime) {
  EXPECT_THAT(At("avg_over_time(open[40s])"), ElementsAre(Pair("route=/a", 1)));
  EXPECT_THAT(At("min_over_time(open[40s])"), ElementsAre(Pair("route=/a", -2)));
  EXPECT_THAT(At("max_over_time(open[40s])"), ElementsAre(Pair("route=/a", 4)));
  EXPECT_THAT(At("sum_over_time(open[40s])"), ElementsAre(Pair("route=/a", 4)));
  EXPECT_THAT(At("count_over_time(open[40s])"), ElementsAre(Pair("route=/a", 4)));
  EXPECT_THAT(At("last_over_time(open{route=\"/b\"}[90s])"),
              ElementsAre(Pair("__name__=open,route=/b", 1)));
}

TEST_F(PromqlTest, Aggregates) {
  EXPECT_THAT(At("sum by (route) (requests_total)"),
              ElementsAre(Pair("route=/a", 104), Pair("route=/b", 1500)));
  EXPECT_THAT(At("sum(requests_total) by (code)"),
              ElementsAre(Pair("code=2xx", 1600), Pair("code=5xx", 4)));
  EXPECT_THAT(At("max without (route, code) (requests_total)"), ElementsAre(Pair("", 1500)));
  EXPECT_THAT(At("min(requests_total)"), ElementsAre(Pair("", 4)));
  EXPECT_THAT(At("avg(requests_total)"), ElementsAre(Pair("", DoubleNear(1604.0 / 3, 1e-9))));
  EXPECT_THAT(At("count(requests_total > 50)"), ElementsAre(Pair("", 2)));
}

TEST_F(PromqlTest, Calculates) {
  EXPECT_THAT(At("1 + 2 * 3 ^ 2 ^ 0 - -4 % 3"), ElementsAre(Pair("", 8)));
  EXPECT_THAT(At("-2 ^ 2"), ElementsAre(Pair("", -4)));
  EXPECT_THAT(
      At("requests_total{code=\"5xx\"} / ignoring (code) sum without (code) (requests_total)"),
      ElementsAre(Pair("route=/a", 4.0 / 104)));
  EXPECT_THAT(At("sum by (route) (requests_total) > on (route) 2 * max by (route) (open)"),
              ElementsAre(Pair("route=/a", 104)));
  EXPECT_THAT(At("open == bool 4"), ElementsAre(Pair("route=/a", 1)));
  EXPECT_THAT(At("3 > bool 4"), ElementsAre(Pair("", 0)));
  EXPECT_THAT(At("100 < requests_total"),
              ElementsAre(Pair("__name__=requests_total,code=2xx,route=/b", 1500)));
  EXPECT_THAT(At("count(open > 10) or vector(0)"), ElementsAre(Pair("", 0)));
  EXPECT_THAT(At("requests_total and on (route) open"),
              UnorderedElementsAre(Pair("__name__=requests_total,code=2xx,route=/a", 100),
                                   Pair("__name__=requests_total,code=5xx,route=/a", 4)));
  EXPECT_THAT(At("requests_total unless on (route) open"),
              ElementsAre(Pair("__name__=requests_total,code=2xx,route=/b", 1500)));
  EXPECT_THAT(At("clamp_min(open, 5) + clamp_max(open, 3) + abs(-open) + round(open / 3)"),
              ElementsAre(Pair("route=/a", 5 + 3 + 4 + 1)));
  EXPECT_THAT(At("time() - scalar(open)"), ElementsAre(Pair("", 96)));
  EXPECT_TRUE(std::isnan(At("scalar(requests_total)")[""]));
  EXPECT_TRUE(std::isnan(At("vector(0) / 0")[""]));
}

TEST_F(PromqlTest, FindsQuantiles) {
  const auto quantile = [&](std::string_view q) {
    return At(StrCat("histogram_quantile(", q, ", sum by (le) (rate(s_bucket[1m])))"))[""];
  };
  EXPECT_NEAR(quantile("0.25"), 0.3, 1e-9);
  EXPECT_NEAR(quantile("0.5"), 0.5, 1e-9);
  EXPECT_NEAR(quantile("0.9"), 0.5, 1e-9);  // all that is known of the last bucket
  EXPECT_EQ(quantile("2"), kInfinity);
  EXPECT_EQ(quantile("-1"), -kInfinity);
  EXPECT_TRUE(std::isnan(At("histogram_quantile(0.5, s_bucket{le!=\"+Inf\"})")[""]));
  EXPECT_TRUE(std::isnan(At("histogram_quantile(0.5, s_bucket * 0)")[""]));
}

TEST_F(PromqlTest, GoesOverARange) {
  const auto result = Evaluate("open{route=\"/b\"} or open{route=\"/a\"} > 0",
                               {.from_ms = 0, .to_ms = 60'000, .step_ms = 20'000});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->rows.size(), 2u);
  EXPECT_THAT(result->rows[0].values, ElementsAre(4, 4, 4, 4));
  EXPECT_EQ(result->rows[1].values[1], 1);
  EXPECT_TRUE(IsPromAbsent(result->rows[1].values[2]));
  const auto points = Evaluate("open{route=\"/b\"}[20s]", {.from_ms = 40'000, .to_ms = 40'000});
  ASSERT_EQ(points->rows.size(), 1u);
  EXPECT_EQ(points->rows[0].points.size(), 1u);  // behind 20 s, before the end
}

TEST_F(PromqlTest, SaysWhatIsWrong) {
  EXPECT_THAT(Error(""), HasSubstr("no expression found in input"));
  EXPECT_THAT(Error("sum(\n  a b)"), HasSubstr("2:5: parse error: unexpected \"b\""));
  EXPECT_THAT(
      Error("rate(open)"),
      HasSubstr("expected type range vector in call to function \"rate\", got instant vector"));
  EXPECT_THAT(Error("nothing(1)"), HasSubstr("unknown function with name \"nothing\""));
  EXPECT_THAT(Error("topk(1, open)"), HasSubstr("unknown function with name \"topk\""));
  EXPECT_THAT(Error("{a=\"\"}"), HasSubstr("at least one non-empty matcher"));
  EXPECT_THAT(Error("a{b=~\"(\"}"), HasSubstr("error parsing regexp"));
  EXPECT_THAT(Error("a offset 5m"), HasSubstr("\"offset\" is not supported here"));
  EXPECT_THAT(Error("a[5m:1m]"), HasSubstr("not supported"));
  EXPECT_THAT(Error("a[5]"), HasSubstr("missing unit"));
  EXPECT_THAT(Error("a * on (b) group_left c"), HasSubstr("\"group_left\" is not supported here"));
  EXPECT_THAT(Error("1 == 1"), HasSubstr("must use BOOL modifier"));
  EXPECT_THAT(Error("1 and a"), HasSubstr("set operator"));
  EXPECT_THAT(Error("a{b=\"c\"} + \"text\""), HasSubstr("only scalar and instant vector"));
  EXPECT_THAT(Error("open * on (code) requests_total"), HasSubstr("many-to-many"));
  EXPECT_THAT(Error("sum by (code) (requests_total) + on () open"), HasSubstr("many-to-many"));
  EXPECT_THAT(Error(std::string(200, '(')), HasSubstr("nested too deeply"));
  EXPECT_THAT(Error(std::string(9000, ' ')), HasSubstr("longer than"));
  EXPECT_THAT(Error("abs({__name__=~\"open|other\"})"), HasSubstr("same labelset"));
  for (int i = 0; i < 400; ++i) Add({{"i", StrCat(i)}}, "many", {1, 1, 1});
  const PromRange longest{.from_ms = 0, .to_ms = 10'999, .step_ms = 1};
  EXPECT_THAT(std::string(StdView(Evaluate("many", longest).status().message())),
              HasSubstr("too many values"));
  EXPECT_FALSE(Evaluate("1", {.from_ms = 0, .to_ms = 11'001'000, .step_ms = 1'000}).ok());
}

TEST(PromDurationTest, ReadsUnits) {
  EXPECT_EQ(ParsePromDuration("1h30m").value_or(0), 5'400'000);
  EXPECT_EQ(ParsePromDuration("1d2s3ms").value_or(0), 86'402'003);
  for (const char* bad : {"", "5", "m", "1m1h", "1m1m", "1x", "99999999999999999999s", "9999999y"})
    EXPECT_FALSE(ParsePromDuration(bad).ok()) << bad;
}

}  // namespace
}  // namespace tessera
