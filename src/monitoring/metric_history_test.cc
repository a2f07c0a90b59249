#include "monitoring/metric_history.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/exposition.h"

namespace tessera {
namespace {

using Function = MetricQuery::Function;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::NanSensitiveDoubleEq;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

MetricHistory::Options Small() {
  return {.step_ms = 1'000,
          .points = 10,
          .coarse_ms = 4'000,
          .coarse_points = 10,
          .series_max = 100,
          .lines_max = 3};
}

MetricQuery Ask(std::string name, Function function, std::int64_t from, std::int64_t to,
                std::int64_t step = 1'000) {
  return {
      .name = std::move(name), .function = function, .from_ms = from, .to_ms = to, .step_ms = step};
}

std::vector<double> Only(const Result<MetricAnswer>& answer) {
  EXPECT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->lines.size(), 1u);
  return answer->lines.empty() ? std::vector<double>() : answer->lines.front().values;
}

TEST(MetricHistoryTest, CountersBecomeRatesAndSurviveRestarts) {
  MetricHistory history(Small());
  const char* values[] = {"7", "9", "14", "2"};  // the last one after a restart
  for (int i = 0; i < 4; ++i)
    history.Record(i * 1'000, StrCat("# TYPE c_total counter\nc_total ", values[i], "\n"));
  EXPECT_THAT(Only(history.Read(Ask("c_total", Function::kRate, 0, 4'000))),
              ElementsAre(0, 2, 5, 2));
  EXPECT_THAT(Only(history.Read(Ask("c_total", Function::kIncrease, 0, 4'000, 2'000))),
              ElementsAre(2, 7));
  EXPECT_THAT(Only(history.Read(Ask("c_total", Function::kRate, 3'000, 6'000))),
              ElementsAre(2, NanSensitiveDoubleEq(kNan), NanSensitiveDoubleEq(kNan)));
}

TEST(MetricHistoryTest, ASeriesThatComesLaterCountsFromZero) {
  MetricHistory history(Small());
  history.Record(0, "# TYPE c_total counter\nc_total{p=\"a\"} 100\n");
  history.Record(1'000, "# TYPE c_total counter\nc_total{p=\"a\"} 100\nc_total{p=\"b\"} 3\n");
  EXPECT_THAT(Only(history.Read(Ask("c_total", Function::kIncrease, 0, 2'000))), ElementsAre(0, 3));
}

TEST(MetricHistoryTest, LinesByLabel) {
  MetricHistory history(Small());
  for (int i = 0; i < 2; ++i) {
    history.Record(i * 1'000, StrCat("# TYPE g gauge\ng{r=\"a\",p=\"1\"} ", i,
                                     "\ng{r=\"a\",p=\"2\"} 10\ng{r=\"b\",p=\"1\"} 5\n"));
  }
  MetricQuery query = Ask("g", Function::kValue, 0, 2'000);
  query.by = {"r"};
  const auto answer = history.Read(query);
  ASSERT_TRUE(answer.ok());
  ASSERT_EQ(answer->lines.size(), 2u);
  EXPECT_THAT(answer->lines[0].values, ElementsAre(10, 11));
  EXPECT_THAT(answer->lines[1].values, ElementsAre(5, 5));
  query.where = {{"p", "1"}, {"r", "a"}};
  EXPECT_THAT(Only(history.Read(query)), ElementsAre(0, 1));
}

TEST(MetricHistoryTest, Histograms) {
  MetricHistory history(Small());
  history.Record(0,
                 "# TYPE h histogram\nh_bucket{le=\"1\"} 0\nh_bucket{le=\"2\"} 0\n"
                 "h_bucket{le=\"+Inf\"} 0\nh_sum 0\nh_count 0\n");
  history.Record(1'000,
                 "# TYPE h histogram\nh_bucket{le=\"1\"} 50\nh_bucket{le=\"2\"} 100\n"
                 "h_bucket{le=\"+Inf\"} 100\nh_sum 120\nh_count 100\n");
  MetricQuery query = Ask("h", Function::kQuantile, 0, 2'000);
  query.quantile = 0.75;
  EXPECT_THAT(Only(history.Read(query)), ElementsAre(NanSensitiveDoubleEq(kNan), DoubleEq(1.5)));
  query.function = Function::kMean;
  EXPECT_THAT(Only(history.Read(query)), ElementsAre(NanSensitiveDoubleEq(kNan), DoubleEq(1.2)));
  query.function = Function::kRate;
  EXPECT_THAT(Only(history.Read(query)), ElementsAre(0, 100));
  query.function = Function::kValue;
  EXPECT_FALSE(history.Read(query).ok());
}

TEST(MetricHistoryTest, OldFineStepsGoCoarseOnesStay) {
  MetricHistory history(Small());
  for (int i = 0; i < 40; ++i)
    history.Record(i * 1'000, StrCat("# TYPE c_total counter\nc_total ", i, "\n"));
  EXPECT_TRUE(
      std::isnan(Only(history.Read(Ask("c_total", Function::kIncrease, 10'000, 11'000)))[0]));
  EXPECT_THAT(Only(history.Read(Ask("c_total", Function::kIncrease, 8'000, 16'000, 4'000))),
              ElementsAre(4, 4));
}

TEST(MetricHistoryTest, AnswersLieOnItsOwnTimes) {
  MetricHistory history(Small());
  for (int i = 0; i < 9; ++i)
    history.Record(i * 1'000, StrCat("# TYPE c_total counter\nc_total ", i, "\n"));
  const auto answer = history.Read(Ask("c_total", Function::kIncrease, 2'500, 7'100, 1'300));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->from_ms, 2'000);
  EXPECT_EQ(answer->step_ms, 2'000);
  EXPECT_THAT(answer->lines.front().values, ElementsAre(2, 2, 2));
}

TEST(MetricHistoryTest, Bounds) {
  MetricHistory history(Small());
  std::string text = "# TYPE g gauge\n";
  for (int i = 0; i < 120; ++i) StrAppend(&text, "g{i=\"", i, "\"} 1\n");
  history.Record(0, text);
  EXPECT_EQ(history.left_out(), 20u);
  MetricQuery query = Ask("g", Function::kValue, 0, 1'000);
  query.by = {"i"};
  EXPECT_THAT(std::string(history.Read(query).status().message()), HasSubstr("more than 3 lines"));
  EXPECT_FALSE(history.Read(Ask("g", Function::kValue, 0, 0)).ok());
  EXPECT_FALSE(history.Read(Ask("g", Function::kValue, 0, 1'000'000'000, 1)).ok());
  EXPECT_TRUE(history.Read(Ask("none", Function::kValue, 0, 1'000))->lines.empty());
}

// Points as "at value", absent ones as "at -".
std::vector<std::string> Points(const MetricHistory& history, std::string_view selector,
                                std::int64_t from_ms, std::int64_t to_ms) {
  const auto matchers = ParsePromSelector(selector);
  EXPECT_TRUE(matchers.ok()) << matchers.status();
  const auto samples = history.Select(*matchers, from_ms, to_ms);
  EXPECT_TRUE(samples.ok()) << samples.status();
  std::vector<std::string> found;
  for (const PromSeries& series : samples->series) {
    for (const PromPoint& point : series.points)
      found.push_back(IsPromAbsent(point.value) ? StrCat(point.at_ms, " -")
                                                : StrCat(point.at_ms, " ", point.value));
  }
  return found;
}

TEST(MetricHistoryTest, PromqlSeesCountersAsTheyStood) {
  MetricHistory history(Small());
  // Read a little into each slot; one slot has no reading.
  history.Record(1'100, "# TYPE c counter\nc 7\n# TYPE still counter\nstill 3\n");
  history.Record(2'200, "# TYPE c counter\nc 7\n# TYPE still counter\nstill 3\n");
  history.Record(4'400, "# TYPE c counter\nc 9\n# TYPE still counter\nstill 3\n");
  history.Record(5'500, "# TYPE c counter\nc 14\n");
  EXPECT_THAT(Points(history, "c", 0, 9'000), ElementsAre("1100 7", "2200 7", "4400 9", "5500 14"));
  EXPECT_THAT(Points(history, "c", 2'200, 4'400), ElementsAre("4400 9"));  // left out: its begin
  EXPECT_THAT(Points(history, "still", 0, 9'000),
              ElementsAre("1100 3", "2200 3", "4400 3", "5500 -"));
  history.Record(6'600, "# TYPE c counter\nc 2\n");  // its process began again
  EXPECT_THAT(Points(history, "c", 5'000, 9'000), ElementsAre("5500 0", "6600 2"));
  EXPECT_THAT(Points(history, "still", 5'000, 9'000), ElementsAre());
}

TEST(MetricHistoryTest, PromqlSeesGaugesAndTheirEnd) {
  MetricHistory history(Small());
  history.Record(1'000, "# TYPE g gauge\ng{a=\"x\"} 1\ng{a=\"y\"} 2\n");
  history.Record(2'000, "# TYPE g gauge\ng{a=\"x\"} -4\n");
  EXPECT_THAT(Points(history, "g{a=\"x\"}", 0, 9'000), ElementsAre("1000 1", "2000 -4"));
  EXPECT_THAT(Points(history, "g{a!=\"x\"}", 0, 9'000), ElementsAre("1000 2", "2000 -"));
  EXPECT_THAT(Points(history, "g", 1'500, 9'000), ElementsAre("2000 -4"));
  // Behind the fine ring only the coarse one knows; the slack is that of an hour's query.
  for (int i = 3; i <= 40; ++i) history.Record(i * 1'000, "# TYPE g gauge\ng{a=\"x\"} 5\n");
  EXPECT_THAT(Points(history, "g", 0, 9'000), ElementsAre());
  EXPECT_EQ(Points(history, "g", -1'000'000, 41'000).front(), "7000 5");
}

TEST(MetricHistoryTest, PromqlSeesBucketsByTheirBounds) {
  MetricHistory history(Small());
  history.Record(1'000,
                 "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\n"
                 "h_count 2\n# TYPE h_other gauge\nh_other 1\n");
  EXPECT_THAT(Points(history, "h_bucket{le=\"+Inf\"}", 0, 9'000), ElementsAre("1000 2"));
  EXPECT_THAT(Points(history, "h_count", 0, 9'000), ElementsAre("1000 2"));
  const auto all = history.SeriesOf({}, 0, 9'000);
  EXPECT_EQ(all.size(), 5u);
  EXPECT_THAT(history.SeriesOf({}, 2'000, 9'000), ElementsAre());
  EXPECT_THAT(history.SeriesOf(*ParsePromSelector("{le=\"0.5\"}"), 0, 9'000),
              ElementsAre(PromLabels{{"__name__", "h_bucket"}, {"le", "0.5"}}));
}

}  // namespace
}  // namespace tessera
