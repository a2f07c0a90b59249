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

}  // namespace
}  // namespace tessera
