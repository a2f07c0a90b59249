#include "telemetry/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(ExpositionTest, ReadsNamesLabelsAndValues) {
  const auto families = ReadExposition(
      "# HELP a_total What a is.\n# TYPE a_total counter\na_total{x=\"1,}\\\"\",y=\"2\"} 3\n"
      "a_total 4 1234\nrubbish\n{no=\"name\"} 1\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\n"
      "h_sum 1e-3\nh_count 2\nother 1\n");
  ASSERT_EQ(families.size(), 3u);
  EXPECT_EQ(families[0].help, "What a is.");
  EXPECT_EQ(families[0].kind, MetricKind::kCounter);
  EXPECT_THAT(LabelsOf(families[0].samples[0].labels),
              ElementsAre(Pair("x", "1,}\""), Pair("y", "2")));
  EXPECT_EQ(LabelOf(families[0].samples[0].labels, "y"), "2");
  EXPECT_EQ(families[0].samples[1].Value(), 4);
  EXPECT_EQ(families[1].samples.size(), 3u);
  EXPECT_EQ(families[1].samples[1].Value(), 1e-3);
  EXPECT_EQ(families[2].name, "other");
}

TEST(ExpositionTest, MergesProcesses) {
  const std::string one = "# HELP a A.\n# TYPE a gauge\na{x=\"1\"} 1\nb 5\n";
  const std::string two = "# HELP a A.\n# TYPE a gauge\na{x=\"1\"} 2\n";
  ExpositionMerge merge;
  merge.Add(one, {{"group", "front"}});
  merge.Add(two, {{"group", "data"}});
  EXPECT_EQ(merge.Text(),
            "# HELP a A.\n# TYPE a gauge\na{group=\"front\",x=\"1\"} 1\n"
            "a{group=\"data\",x=\"1\"} 2\n# TYPE b untyped\nb{group=\"front\"} 5\n");
}

TEST(ExpositionTest, OpenMetricsHasExemplarsAndItsOwnNamesOfCounters) {
  const std::string one =
      "# HELP a_total The \"a\".\n# TYPE a_total counter\na_total 1\n"
      "# TYPE b counter\nb 2\n"
      "# TYPE s histogram\ns_bucket{le=\"+Inf\"} 1 # {trace_id=\"0f\"} 0.5 1700000000.123\n"
      "s_sum 0.5\ns_count 1\n";
  ExpositionMerge merge(ExpositionFormat::kOpenMetrics);
  merge.Add(one, {{"group", "front"}});
  EXPECT_EQ(merge.Text(),
            "# HELP a The \\\"a\\\".\n# TYPE a counter\na_total{group=\"front\"} 1\n"
            "# TYPE b unknown\nb{group=\"front\"} 2\n"
            "# TYPE s histogram\ns_bucket{group=\"front\",le=\"+Inf\"} 1 # {trace_id=\"0f\"} 0.5 "
            "1700000000.123\ns_sum{group=\"front\"} 0.5\ns_count{group=\"front\"} 1\n# EOF\n");
  ExpositionMerge plain;
  plain.Add(one, {});
  EXPECT_EQ(plain.Text(),
            "# HELP a_total The \"a\".\n# TYPE a_total counter\na_total 1\n"
            "# TYPE b counter\nb 2\n"
            "# TYPE s histogram\ns_bucket{le=\"+Inf\"} 1\ns_sum 0.5\ns_count 1\n");
}

}  // namespace
}  // namespace tessera
