#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"
#include "control/routed_cluster.h"
#include "control/side_figures.h"
#include "control/topology_plan.h"
#include "control/topology_spec.h"
#include "control/topology_store.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A canary that is held.
constexpr std::string_view kShared = R"(
groups:
  front: {services: [gateway, orchestration, retrieval, dataprep]}
  stable: {services: [inference], replicas: 2}
  canary: {services: [inference], revision: b, binary: /opt/next/tessera}
versions:
  inference: {stable: 90, canary: 10}
)";

constexpr std::string_view kThree = R"(
groups:
  front: {services: [gateway, orchestration]}
  inference: {services: [inference], replicas: 2}
  data: {services: [retrieval, dataprep]}
)";

TopologySpec Three() { return *ReadTopology(kThree, "three.yaml"); }

std::string Mistake(std::string_view yaml) {
  const auto read = ReadTopology(yaml, "t.yaml");
  return std::string(read.status().message());
}

std::vector<std::string> Texts(const Result<std::vector<v1::PlanStep>>& steps) {
  std::vector<std::string> texts;
  for (const v1::PlanStep& step : *steps) texts.push_back(step.text());
  return texts;
}

TEST(TopologySpec, ReadsWhatItWrites) {
  TopologySpec spec = Three();
  spec.groups["inference"].revision = "2026-11";
  spec.groups["data"].cpus = 2;
  spec.groups["data"].faults = {{.method = "tessera.v1.Retrieval.",
                                 .delay_percent = 12.5,
                                 .delay = std::chrono::milliseconds(40),
                                 .abort_percent = 2,
                                 .abort_code = "INTERNAL"}};
  std::vector<Problem> problems;
  spec.routes = ParseYaml(R"([{route: POST /v1/chatqna, targets: [{name: "10", weight: 10, headers:
      {authorization: "${env:KEY}"}, timeout: 5s}], flag: 'a "b"', none: , true: [-1, 1e3, "a: b"]}])",
                          problems);
  spec.flags = ParseYaml("[{key: dark, variants: {on: true, off: 'false'}}]", problems);
  spec.revoked.groups = {"old-group"};
  spec.revoked.certificates = {"00e4"};
  spec.move.steps = {0, 1, 100};
  spec.move.step_time = std::chrono::milliseconds(1500);
  spec.move.errors_max = 0.5;
  const auto again = ReadTopology(WriteTopology(spec), "again");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(WriteTopology(*again), WriteTopology(spec));
  EXPECT_EQ(again->groups.at("inference").replicas, 2u);
  EXPECT_EQ(YamlLine(*again->flags),
            R"([{"key": dark, "variants": {"on": true, "off": "false"}}])");
  EXPECT_THAT(YamlLine(*again->routes), HasSubstr(R"("name": "10", "weight": 10)"));
  EXPECT_THAT(YamlLine(*again->routes), HasSubstr(R"("none": null, "true": [-1, 1e3, "a: b"])"));
  EXPECT_EQ(again->groups.at("inference").revision, "2026-11");
  EXPECT_EQ(again->groups.at("data").faults, spec.groups["data"].faults);
  EXPECT_EQ(again->move.step_time, std::chrono::milliseconds(1500));
  EXPECT_DOUBLE_EQ(again->move.errors_max, 0.5);
  EXPECT_EQ(WriteTopology(*ReadTopology(WriteTopology(OneProcess()), "one")),
            WriteTopology(OneProcess()));
}

TEST(TopologySpec, FaultsOnPurposeMakeAnotherProcess) {
  TopologySpec spec = Three();
  spec.groups["inference"].faults = {{.abort_percent = 2}};
  EXPECT_FALSE(PlacementOf(spec, "inference").SameProcessesAs(PlacementOf(Three(), "inference")));
  spec.groups["inference"].faults[0].abort_code = "TIRED";
  EXPECT_THAT(Mistake(WriteTopology(spec)), HasSubstr("no status code"));
  spec = Three();
  spec.groups["front"].faults = {{.abort_percent = 2}};
  EXPECT_THAT(Mistake(WriteTopology(spec)), HasSubstr("the gateway's process has none"));
}

TEST(TopologySpec, SaysWhatIsWrong) {
  EXPECT_THAT(Mistake("groups: {a: {services: [gateway]}}"), HasSubstr("retrieval is in no group"));
  EXPECT_THAT(Mistake("groups: {a: {services: [gateway, retrieval, inference, orchestration, "
                      "dataprep]}, b: {services: [inference]}}"),
              HasSubstr("inference is in several (a, b)"));
  EXPECT_THAT(Mistake("groups: {a: {services: [gateway, retreival]}}"),
              HasSubstr("there is no service \"retreival\"; there are retrieval,"));
  EXPECT_THAT(Mistake("groups: {a: {services: [gateway, inference, orchestration, dataprep]}, "
                      "b: {services: [retrieval], replicas: 2}}"),
              HasSubstr("keeps state in files and runs once"));
  EXPECT_THAT(Mistake(StrCat(kThree, "move: {steps: [50, 10]}")), HasSubstr("that grow"));
  EXPECT_THAT(Mistake(StrCat(kThree, "revoked: {groups: [data]}")), HasSubstr("data is in use"));
  EXPECT_THAT(Mistake(StrCat(kThree, "gruops: 1")), HasSubstr("gruops"));
  EXPECT_THAT(Mistake("groups: {\"a/../b\": {services: [gateway]}}"), HasSubstr("a/../b"));
}

TEST(TopologySpec, AServiceMayHaveSeveralVersions) {
  const auto shared = ReadTopology(kShared, "shared.yaml");
  ASSERT_TRUE(shared.ok()) << shared.status();
  EXPECT_EQ(shared->WeightsOf("inference"), (VersionWeights{{"canary", 10}, {"stable", 90}}));
  EXPECT_EQ(shared->WeightsOf("retrieval"), (VersionWeights{{"front", 100}}));
  const std::vector<PlacedVersion> versions = VersionsOf(*shared, "inference");
  ASSERT_EQ(versions.size(), 2u);
  EXPECT_EQ(versions[0].placement.spec.binary, "/opt/next/tessera");
  EXPECT_EQ(versions[1].placement.spec.replicas, 2u);
  const std::string text = WriteTopology(*shared);
  EXPECT_THAT(text, HasSubstr("versions:\n  inference: {canary: 10, stable: 90}\n"));
  EXPECT_EQ(WriteTopology(*ReadTopology(text, "again")), text);
}

TEST(TopologySpec, SaysWhatIsWrongWithVersions) {
  const auto with = [](std::string_view from, std::string_view to) {
    std::string yaml(kShared);
    yaml.replace(yaml.find(from), from.size(), to);
    return Mistake(yaml);
  };
  EXPECT_THAT(
      with("{stable: 90, canary: 10}", "{stable: 90, canary: 20}"),
      HasSubstr("versions.inference: the weights are percent and make 100; these make 110"));
  EXPECT_THAT(with("{stable: 90, canary: 10}", "{stable: 4294967295, canary: 101}"),
              HasSubstr("make 4294967396"));
  EXPECT_THAT(with("{stable: 90, canary: 10}", "{stable: 100}"),
              HasSubstr("the group canary has it too; say what part of the calls it gets"));
  EXPECT_THAT(with("{stable: 90, canary: 10}", "{stable: 90, canary: 5, front: 5}"),
              HasSubstr("inference is not in the group front; it is in canary, stable"));
  EXPECT_THAT(with("  inference: {stable", "  inferenz: {stable"),
              HasSubstr("inference is in several (canary, stable); give it one, or a part of its "
                        "calls to each: versions: {inference: {canary: 90, …}}"));
  EXPECT_THAT(with("versions:", "versions:\n  search: {front: 100}"),
              HasSubstr("there is no service \"search\""));
  EXPECT_THAT(
      with("versions:", "versions:\n  retrieval: {front: 100}"),
      HasSubstr("versions.retrieval: retrieval keeps state in files, and only one may write "
                "them; it has one version at a time"));
  EXPECT_THAT(with("versions:", "versions:\n  gateway: {front: 100}"),
              HasSubstr("versions.gateway: the gateway has the listening sockets and runs once"));
  EXPECT_THAT(with("canary: {services: [inference]", "canary: {services: [inference, retrieval]"),
              AllOf(HasSubstr("retrieval is in several (canary, front); give it one"),
                    Not(HasSubstr("versions: {"))));
  EXPECT_THAT(with("[inference], revision", "[inference, inference], revision"),
              HasSubstr("inference stands there twice"));
}

TEST(TopologyPlan, SharesTheCallsOfAService) {
  const TopologySpec shared = *ReadTopology(kShared, "shared.yaml");
  TopologySpec alone = shared;
  alone.groups.erase("canary");
  alone.versions.clear();
  const auto begins = PlanChange(alone, shared);
  EXPECT_THAT(Texts(begins),
              ElementsAre("share the calls of inference: 10 % in the process canary of revision b, "
                          "90 % in 2 processes stable; now 2 processes stable"));
  EXPECT_EQ(begins->front().action(), "share");
  TopologySpec half = shared;
  half.versions["inference"] = {{"canary", 50}, {"stable", 50}};
  EXPECT_THAT(Texts(PlanChange(shared, half)),
              ElementsAre(HasSubstr("50 % in the process canary")));
  EXPECT_THAT(Texts(PlanChange(shared, alone)),
              ElementsAre(HasSubstr("share the calls of inference: 2 processes stable; now 10 %")));
  EXPECT_THAT(Texts(PlanChange(shared, shared)), IsEmpty());
  TopologySpec newer = shared;
  newer.groups["canary"].revision = "c";
  EXPECT_THAT(Texts(PlanChange(shared, newer)), ElementsAre(HasSubstr("of revision c")));
}

DeployedClusterPtr NamedCluster(std::string name) {
  auto cluster = std::make_shared<DeployedCluster>();
  cluster->name = std::move(name);
  return cluster;
}

std::string Weights(const RoutedClusters& clusters) {
  std::string text;
  for (const auto& [cluster, weight] : clusters) StrAppend(&text, cluster->name, weight, " ");
  return text;
}

std::string Names(const std::vector<DeployedClusterPtr>& clusters) {
  std::string text;
  for (const DeployedClusterPtr& cluster : clusters) StrAppend(&text, cluster->name);
  return text;
}

TEST(RoutedClusters, WeightsGoOverInSteps) {
  const DeployedClusterPtr a = NamedCluster("a"), b = NamedCluster("b"), c = NamedCluster("c");
  EXPECT_EQ(Weights(Between({{a, 100}}, {{b, 100}}, 0)), "a100 b0 ");
  EXPECT_EQ(Weights(Between({{a, 100}}, {{b, 100}}, 10)), "a90 b10 ");
  EXPECT_EQ(Weights(Between({{a, 100}}, {{b, 100}}, 100)), "a0 b100 ");
  EXPECT_EQ(Weights(Between({{a, 100}}, {{a, 90}, {b, 10}}, 50)), "a95 b5 ");
  EXPECT_EQ(Weights(Between({{a, 90}, {b, 10}}, {{a, 50}, {b, 50}}, 50)), "a70 b30 ");
  EXPECT_EQ(Weights(Between({{a, 34}, {b, 33}, {c, 33}}, {{c, 100}}, 50)), "a17 b16 c67 ")
      << "what rounding leaves over goes to the heaviest";
  EXPECT_EQ(Weights(Between({{a, 90}, {b, 10}}, {{b, 10}, {c, 90}}, 10)), "a81 b10 c9 ");
}

TEST(RoutedClusters, OnTrialIsWhoGetsMoreAndHadLittle) {
  const DeployedClusterPtr a = NamedCluster("a"), b = NamedCluster("b"), c = NamedCluster("c");
  Trial trial = TrialOf({{a, 100}}, {{a, 90}, {b, 10}});
  EXPECT_EQ(Names(trial.on_trial), "b");
  EXPECT_EQ(Names(trial.before), "a");
  trial = TrialOf({{a, 90}, {b, 10}}, {{a, 50}, {b, 40}, {c, 10}});
  EXPECT_EQ(Names(trial.on_trial), "bc");
  EXPECT_EQ(Names(trial.before), "a");
  trial = TrialOf({{a, 90}, {b, 10}}, {{a, 100}});
  EXPECT_EQ(Names(trial.on_trial), "") << "a canary that is taken away, however good, keeps nobody";
  trial = TrialOf({{a, 90}, {b, 10}}, {{c, 90}, {b, 10}});
  EXPECT_EQ(Names(trial.on_trial), "c");
  EXPECT_EQ(Names(trial.before), "a");
}

TEST(TopologyPlan, MovesWhatChangesItsProcesses) {
  EXPECT_THAT(
      Texts(PlanChange(OneProcess(), Three())),
      ElementsAre("move retrieval from the gateway's process (all) to the process data",
                  "move inference from the gateway's process (all) to 2 processes inference",
                  "move dataprep from the gateway's process (all) to the process data"));
  EXPECT_THAT(Texts(PlanChange(Three(), Three())), IsEmpty());
}

TEST(TopologyPlan, ScalesAndReplaces) {
  TopologySpec more = Three();
  more.groups["inference"].replicas = 3;
  const auto scale = PlanChange(Three(), more);
  ASSERT_EQ(scale->size(), 1u);
  EXPECT_EQ(scale->front().action(), "scale");
  TopologySpec newer = Three();
  newer.groups["data"].revision = "2";
  EXPECT_THAT(Texts(PlanChange(Three(), newer)),
              ElementsAre("move retrieval from the process data to the process data of revision 2",
                          "move dataprep from the process data to the process data of revision 2"));
}

TEST(TopologyPlan, ReplacesTheGatewaysProcessWithTheServicesInIt) {
  TopologySpec newer = Three();
  newer.groups["front"].revision = "2";
  EXPECT_THAT(
      Texts(PlanChange(Three(), newer)),
      ElementsAre("move orchestration from the gateway's process (front) to the gateway's process "
                  "(front) of revision 2",
                  "replace the gateway's process (front) by the gateway's process (front) of "
                  "revision 2"));
  TopologySpec split = newer;
  split.groups["front"].services = {"gateway"};
  split.groups["data"].services.push_back("orchestration");
  EXPECT_THAT(Texts(PlanChange(newer, split)),
              ElementsAre("move orchestration from the gateway's process (front) of revision 2 to "
                          "the process data"));
}

TEST(TopologyPlan, TheGatewaysGroupMayHaveAnotherName) {
  TopologySpec renamed = Three();
  renamed.groups["edge"] = renamed.groups["front"];
  renamed.groups.erase("front");
  EXPECT_THAT(Texts(PlanChange(Three(), renamed)), IsEmpty());
}

class TopologyStoreTest : public ::testing::Test {
 protected:
  ~TopologyStoreTest() override { std::filesystem::remove_all(folder_); }
  const std::string folder_ = [] {
    std::string path = ::testing::TempDir() + "/topology-XXXXXX";
    return std::string(::mkdtemp(path.data()));
  }();
};

TEST_F(TopologyStoreTest, TheHighestNumberHolds) {
  auto store = TopologyStore::Open(folder_);
  ASSERT_TRUE(store.ok());
  EXPECT_FALSE(store->Current()->has_value());
  EXPECT_EQ(*store->Commit(OneProcess()), 1u);
  EXPECT_FALSE(store->Previous()->has_value());
  EXPECT_EQ(*store->Commit(Three()), 2u);
  const auto again = TopologyStore::Open(folder_);
  EXPECT_EQ((*again->Current())->number, 2u);
  EXPECT_EQ(WriteTopology((*again->Current())->spec), WriteTopology(Three()));
  EXPECT_EQ(WriteTopology((*again->Previous())->spec), WriteTopology(OneProcess()));
}

TEST_F(TopologyStoreTest, AFileThatWasNotFinishedDoesNotCount) {
  auto store = TopologyStore::Open(folder_);
  ASSERT_TRUE(store->Commit(OneProcess()).ok());
  std::filesystem::copy(folder_ + "/topology/000001.yaml", folder_ + "/topology/000002.yaml.new");
  EXPECT_EQ((*store->Current())->number, 1u);
  EXPECT_EQ(*store->Commit(Three()), 2u);
}

TEST_F(TopologyStoreTest, KeepsTheLastTwenty) {
  auto store = TopologyStore::Open(folder_);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(store->Commit(i % 2 == 0 ? OneProcess() : Three()).ok());
  ASSERT_TRUE(store->Commit(Three()).ok()) << "the same again is no revision of its own";
  EXPECT_EQ((*store->Current())->number, 30u);
  const std::filesystem::directory_iterator files(folder_ + "/topology");
  EXPECT_LE(std::distance(begin(files), end(files)), 21);
}

MethodSide Side(std::uint64_t calls, std::uint64_t faults, int bucket) {
  MethodSide side;
  side.calls = calls;
  side.faults = faults;
  side.buckets[static_cast<std::size_t>(bucket)] = calls;
  return side;
}

TEST(SideFigures, FailuresCountAgainstTheOldSide) {
  MoveSpec limits;
  const SideFigures old_side = {{"Embed", Side(1000, 10, 12)}};
  EXPECT_TRUE(CheckNewSide(old_side, {{"Embed", Side(1000, 19, 12)}}, limits).ok());
  const Status worse = CheckNewSide(old_side, {{"Embed", Side(1000, 21, 12)}}, limits);
  EXPECT_TRUE(absl::IsAborted(worse));
  EXPECT_THAT(std::string(worse.message()), HasSubstr("21 of 1000"));
  // Too few calls say nothing.
  EXPECT_TRUE(CheckNewSide(old_side, {{"Embed", Side(29, 29, 12)}}, limits).ok());
}

TEST(SideFigures, SlownessCountsFromTheSlackOn) {
  MoveSpec limits;
  limits.slack = std::chrono::milliseconds(1);
  // Buckets 14 and 16 end at 16.8 and 67 ms.
  EXPECT_TRUE(absl::IsAborted(
      CheckNewSide({{"Embed", Side(500, 0, 14)}}, {{"Embed", Side(500, 0, 16)}}, limits)));
  EXPECT_TRUE(
      CheckNewSide({{"Embed", Side(500, 0, 14)}}, {{"Embed", Side(500, 0, 14)}}, limits).ok());
  // 2 against 8 us: four times as much, and nothing that anybody would feel.
  EXPECT_TRUE(
      CheckNewSide({{"Embed", Side(500, 0, 1)}}, {{"Embed", Side(500, 0, 3)}}, limits).ok());
}

TEST(SideFigures, SinceTakesTheStartAway) {
  const SideFigures since =
      Since({{"Embed", Side(10, 1, 3)}}, {{"Embed", Side(30, 2, 3)}, {"Rerank", Side(5, 0, 4)}});
  EXPECT_EQ(since.at("Embed").calls, 20u);
  EXPECT_EQ(since.at("Embed").faults, 1u);
  EXPECT_EQ(since.at("Rerank").calls, 5u);
  // A caller that has gone took more along than there is now.
  EXPECT_EQ(Since({{"Embed", Side(40, 1, 3)}}, {{"Embed", Side(30, 2, 3)}}).at("Embed").calls, 0u);
}

TEST(SideFigures, QuantilesAreWithinABucket) {
  const MethodSide side = Side(100, 0, 10);  // between 0.52 and 1.05 ms
  EXPECT_GT(side.Quantile(0.5), 0.6e-3);
  EXPECT_LT(side.Quantile(0.5), 0.9e-3);
  EXPECT_GT(side.Quantile(0.99), side.Quantile(0.5));
}

}  // namespace
}  // namespace tessera
