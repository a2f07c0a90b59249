// A cluster over real servers in this process: each policy as its callers see it.

#include <gmock/gmock.h>

#include "remote/mesh_nodes.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class ClusterTest : public MeshTest {};

Task<Result<std::vector<std::string>>> Answer(Result<std::vector<std::string>> addresses) {
  co_return addresses;
}

TEST_F(ClusterTest, CallsAreSpread) {
  StartNodes(3);
  StartCluster();
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(Ping().ok());
  for (int i = 0; i < 3; ++i) EXPECT_GT(node(i).toy.pings, 50);
}

TEST_F(ClusterTest, StreamsCountAsInFlightUntilTheyEnd) {
  StartNodes(2);
  StartCluster();
  toy::TellRequest request;
  request.set_count(3);
  {
    const auto stream = SyncWait(remote_->Tell(Brief(), request));
    ASSERT_TRUE(stream.ok());
    EXPECT_EQ(At(0).in_flight + At(1).in_flight, 1);
    for (std::uint32_t i = 0; i < 3; ++i) {
      const auto item = SyncWait((*stream)->Next(Brief()));
      ASSERT_TRUE(item.ok() && item->has_value());
      EXPECT_EQ((*item)->number(), i);
    }
    EXPECT_FALSE(SyncWait((*stream)->Next(Brief()))->has_value());
    EXPECT_EQ(At(0).in_flight + At(1).in_flight, 0);
  }
}

TEST_F(ClusterTest, AKeyGoesToItsEndpoint) {
  StartNodes(3);
  config_.policy.balance.policy = Balance::kHash;
  config_.policy.balance.hash_key = "text";
  StartCluster();
  std::set<std::uint64_t> used;
  for (int session = 0; session < 20; ++session) {
    const std::uint64_t home = Ping(StrCat("s", session))->instance();
    used.insert(home);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(Ping(StrCat("s", session))->instance(), home);
  }
  EXPECT_EQ(used.size(), 3u);
}

TEST_F(ClusterTest, WhatCannotBeReachedIsLeftOutAndComesBack) {
  StartNodes(1);
  AddNode();  // nobody listens there
  StartCluster();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Add().ok()) << "never sent, so sent elsewhere";
  EXPECT_EQ(At(1).state, "down");
  EXPECT_LE(At(1).calls, 3u);
  node(1).Start();
  EXPECT_TRUE(Eventually([&] { return At(1).state == "up"; }));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Ping().ok());
  EXPECT_GT(node(1).toy.pings, 5);
}

TEST_F(ClusterTest, CallsWaitForAnEndpointThatStarts) {
  AddNode();
  StartCluster();
  std::atomic<int> ended{0};
  std::atomic<int> failed{0};
  for (int i = 0; i < 20; ++i) {
    Spawn(remote_->Add(Brief(), Request("")), [&](const Result<toy::AddReply>& reply) {
      if (!reply.ok()) ++failed;
      ++ended;
    });
  }
  EXPECT_TRUE(Eventually([&] { return cluster_->Snapshot().waiting == 20; }));
  EXPECT_EQ(ended, 0);
  node(0).Start();
  EXPECT_TRUE(Eventually([&] { return ended == 20; }));
  EXPECT_EQ(failed, 0);
}

TEST_F(ClusterTest, WaitingIsBoundedInNumberAndTime) {
  AddNode();
  config_.policy.wait.calls_max = 2;
  config_.policy.wait.time_max = milliseconds(200);
  StartCluster();
  std::atomic<int> unavailable{0};
  for (int i = 0; i < 5; ++i) {
    Spawn(remote_->Ping(Brief(), Request("")), [&](const Result<toy::AddReply>& reply) {
      if (absl::IsUnavailable(reply.status()) && RetryAfterOf(reply.status()) > 0) ++unavailable;
    });
  }
  EXPECT_TRUE(Eventually([&] { return unavailable == 5; }));
  const SteadyTime start = Now();
  const auto late = SyncWait(remote_->Ping(Ctx().WithTimeout(milliseconds(30)), {}));
  EXPECT_EQ(late.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_LT(Now() - start, milliseconds(190)) << "the call's own deadline holds";
}

TEST_F(ClusterTest, OnlyIdempotentCallsAreSentAgain) {
  StartNodes(1);
  StartCluster();
  node(0).toy.FailWith(absl::UnavailableError("not now"));
  EXPECT_EQ(Add().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(node(0).toy.adds, 1);
  EXPECT_EQ(Ping().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(node(0).toy.pings, 3);
  node(0).toy.FailWith(absl::InvalidArgumentError("never"));
  EXPECT_EQ(Ping().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(node(0).toy.pings, 4) << "an answer is an answer";
}

TEST_F(ClusterTest, ARetryGoesToAnotherEndpoint) {
  StartNodes(3);
  config_.policy.outlier.faults_in_a_row = 0;
  StartCluster();
  node(0).toy.FailWith(absl::UnavailableError("not now"));
  node(1).toy.FailWith(absl::UnavailableError("not now"));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Ping().ok()) << "three attempts reach all three";
}

TEST_F(ClusterTest, RetriesKeepToTheirBudget) {
  StartNodes(1);
  config_.policy.retry.budget_part = 0.1;
  config_.policy.retry.budget_per_second = 0;
  StartCluster();
  node(0).toy.FailWith(absl::UnavailableError("not now"));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(Ping().ok());
  EXPECT_LE(node(0).toy.pings, 111);
  EXPECT_GE(node(0).toy.pings, 105);
}

TEST_F(ClusterTest, AHintToComeBackLaterIsHonoured) {
  StartNodes(1);
  StartCluster();
  node(0).toy.FailWith(WithRetryAfter(absl::UnavailableError("full"), 1));
  const SteadyTime start = Now();
  std::atomic<bool> ok{false};
  Spawn(remote_->Ping(Brief(), Request("")),
        [&](const Result<toy::AddReply>& reply) { ok = reply.ok(); });
  ASSERT_TRUE(Eventually([&] { return node(0).toy.pings == 1; }));
  node(0).toy.FailWith(absl::OkStatus());
  EXPECT_TRUE(Eventually([&] { return ok.load(); }));
  EXPECT_GE(Now() - start, milliseconds(990));
  EXPECT_EQ(At(0).failures, 0u) << "to be busy is no fault";
  node(0).toy.FailWith(WithRetryAfter(absl::UnavailableError("full"), 60));
  EXPECT_FALSE(Ping().ok());
  EXPECT_EQ(node(0).toy.pings, 3) << "nobody waits a minute";
}

TEST_F(ClusterTest, AnAttemptHasATimeoutOfItsOwn) {
  StartNodes(2);
  config_.policy.retry.try_timeout = milliseconds(50);
  StartCluster();
  node(0).toy.Hold();
  for (int i = 0; i < 10; ++i) {
    const auto reply = Ping();
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->instance(), 1u);
  }
  toy::TellRequest request;
  request.set_count(1);
  for (int i = 0; i < 6; ++i) {
    const auto stream = SyncWait(remote_->Tell(Brief(), request));
    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ(SyncWait((*stream)->Next(Brief()))->value().instance(), 1u);
  }
}

TEST_F(ClusterTest, FaultsInARowEjectButNotAll) {
  StartNodes(2);
  config_.policy.outlier.faults_in_a_row = 3;
  StartCluster();
  node(0).toy.FailWith(absl::InternalError("broken"));
  EXPECT_TRUE(Eventually([&] {
    const auto ignored = Ping();
    return At(0).state == "ejected";
  }));
  const int before = node(0).toy.pings;
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(Ping().ok());
  EXPECT_EQ(node(0).toy.pings, before);
  node(1).toy.FailWith(absl::InternalError("broken too"));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(Ping().ok());
  EXPECT_EQ(At(1).state, "up") << "at most half of them";
}

TEST_F(ClusterTest, AnEjectionEnds) {
  StartNodes(2);
  config_.policy.outlier.faults_in_a_row = 2;
  config_.policy.outlier.eject_for = milliseconds(50);
  StartCluster();
  node(0).toy.FailWith(absl::InternalError("broken"));
  EXPECT_TRUE(Eventually([&] {
    const auto ignored = Ping();
    return At(0).ejections == 1;
  }));
  node(0).toy.FailWith(absl::OkStatus());
  EXPECT_TRUE(Eventually([&] { return Ping()->instance() == 0; }));
}

TEST_F(ClusterTest, ABreakerRefusesAndClosesAgain) {
  StartNodes(1);
  config_.policy.breaker =
      BreakerConfig{.calls_min = 5, .open_for = milliseconds(300), .probes = 1};
  config_.policy.breaker.failed_part = 0.5;
  StartCluster();
  node(0).toy.FailWith(absl::InternalError("broken"));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Add().status().code(), absl::StatusCode::kInternal);
  const auto refused = Add();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_GT(RetryAfterOf(refused.status()), 0);
  EXPECT_EQ(node(0).toy.adds, 5);
  EXPECT_EQ(At(0).state, "open");
  node(0).toy.FailWith(absl::OkStatus());
  EXPECT_TRUE(Eventually([&] { return Add().ok(); }));
  EXPECT_EQ(At(0).state, "up");
}

TEST_F(ClusterTest, CallsBeyondAnEndpointsLimitWaitTheirTurn) {
  StartNodes(1);
  config_.policy.breaker.calls_max = 2;
  config_.policy.wait.calls_max = 3;
  StartCluster();
  node(0).toy.Hold();
  std::atomic<int> ok{0};
  std::atomic<int> refused{0};
  for (int i = 0; i < 7; ++i) {
    Spawn(remote_->Add(Brief(), Request("")), [&](const Result<toy::AddReply>& reply) {
      if (reply.ok()) ++ok;
      if (absl::IsUnavailable(reply.status())) ++refused;
    });
  }
  EXPECT_TRUE(Eventually([&] { return refused == 2 && node(0).toy.waiting == 2; }));
  EXPECT_EQ(cluster_->Snapshot().waiting, 3);
  EXPECT_EQ(node(0).toy.adds, 2);
  node(0).toy.Release();
  EXPECT_TRUE(Eventually([&] { return ok == 5; }));
}

TEST_F(ClusterTest, TheHealthServiceIsAsked) {
  StartNodes(2);
  config_.policy.health.every = milliseconds(10);
  StartCluster();
  node(0).server->SetServing("", false);
  ASSERT_TRUE(Eventually([&] { return At(0).state == "unhealthy"; }));
  const int before = node(0).toy.pings;
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(Ping().ok());
  EXPECT_EQ(node(0).toy.pings, before);
  node(1).server->SetServing("", false);
  ASSERT_TRUE(Eventually([&] { return cluster_->Snapshot().panics; }));
  EXPECT_TRUE(Ping().ok()) << "when all seem unhealthy all are used";
  node(0).server->SetServing("", true);
  EXPECT_TRUE(Eventually([&] { return At(0).state == "up"; }));
}

TEST_F(ClusterTest, LowerPrioritiesTakeOver) {
  StartNodes(2);
  StartCluster({{.address = node(0).address}, {.address = node(1).address, .priority = 1}});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ping()->instance(), 0u);
  node(0).Kill();
  for (int i = 0; i < 20; ++i) {
    const auto reply = Ping();
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->instance(), 1u);
  }
  node(0).Start();
  EXPECT_TRUE(Eventually([&] { return Ping()->instance() == 0; }));
}

TEST_F(ClusterTest, ASlowCallIsHedged) {
  StartNodes(2);
  config_.policy.hedge.after = milliseconds(20);
  StartCluster();
  node(0).toy.Hold();
  for (int i = 0; i < 20; ++i) {
    const auto reply = Ping();
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->instance(), 1u);
  }
  const ClusterSnapshot snapshot = cluster_->Snapshot();
  EXPECT_GT(snapshot.hedges_won, 0u);
  EXPECT_LE(snapshot.hedges_won, snapshot.hedges);
  EXPECT_TRUE(Eventually([&] { return node(0).toy.waiting == 0; })) << "the losers are cancelled";
  EXPECT_EQ(node(0).toy.cancelled, node(0).toy.pings);
  EXPECT_EQ(At(0).failures, 0u);
  node(0).toy.Release();
  const int before = node(0).toy.adds + node(1).toy.adds;
  ASSERT_TRUE(Add().ok());
  EXPECT_EQ(node(0).toy.adds + node(1).toy.adds, before + 1);
}

TEST_F(ClusterTest, AStreamThatBreaksBeforeItsFirstItemIsOpenedElsewhere) {
  StartNodes(2);
  StartCluster();
  node(0).toy.hold_from = 0;
  node(1).toy.hold_from = 0;
  toy::TellRequest request;
  request.set_count(2);
  const auto stream = SyncWait(remote_->Tell(Brief(), request));
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_TRUE(Eventually([&] { return node(0).toy.items_held + node(1).toy.items_held == 1; }));
  const std::size_t first = node(0).toy.items_held == 1 ? 0 : 1;
  node(1 - first).toy.hold_from = 1;
  node(first).Kill();
  const auto item = SyncWait((*stream)->Next(Brief()));
  ASSERT_TRUE(item.ok()) << item.status();
  EXPECT_EQ((*item)->instance(), 1 - first);
  std::atomic<bool> failed{false};
  Spawn((*stream)->Next(Brief()),
        [&](const Result<std::optional<toy::TellItem>>& next) { failed = !next.ok(); });
  ASSERT_TRUE(Eventually([&] { return node(1 - first).toy.waiting == 1; }));
  node(1 - first).Kill();
  EXPECT_TRUE(Eventually([&] { return failed.load(); })) << "after an item it ends with an error";
}

TEST_F(ClusterTest, EndpointsAreSwappedUnderLoad) {
  StartNodes(3);
  StartCluster({{.address = node(0).address}, {.address = node(1).address}});
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  std::atomic<int> ended{0};
  std::atomic<std::uint64_t> done{0};
  const auto caller = [](IoLoop* loop, Toy* toy, std::atomic<bool>* stops, std::atomic<int>* fails,
                         std::atomic<std::uint64_t>* calls) -> Task<void> {
    co_await SwitchTo(*loop);
    while (!*stops) {
      const auto reply = co_await toy->Add(SystemCtx(), {});
      if (!reply.ok()) ++*fails;
      ++*calls;
    }
  };
  for (std::size_t i = 0; i < 8; ++i) {
    Spawn(caller(&client_loops_[i % 2], &*remote_, &stop, &failed, &done), [&] { ++ended; });
  }
  node(0).toy.Hold();
  ASSERT_TRUE(Eventually([&] { return node(0).toy.waiting > 0; }));
  // The held calls are at an endpoint that is taken away: they finish there all the same.
  cluster_->SetEndpoints({{.address = node(1).address}, {.address = node(2).address}});
  EXPECT_TRUE(Eventually([&] { return node(2).toy.adds > 20; }));
  const int at_first = node(0).toy.adds;  // what was on its way has arrived
  EXPECT_TRUE(Eventually([&] { return node(2).toy.adds > 50; }));
  EXPECT_EQ(node(0).toy.adds, at_first);
  EXPECT_GT(node(0).server->connections(), 0);
  node(0).toy.Release();
  EXPECT_TRUE(Eventually([&] { return node(0).server->connections() == 0; }));
  for (int i = 0; i < 50; ++i) {
    const std::uint64_t before = done;
    cluster_->SetEndpoints(
        {{.address = node(i % 3).address}, {.address = node((i + 1) % 3).address}});
    ASSERT_TRUE(Eventually([&] { return done > before + 10; }));
  }
  stop = true;
  EXPECT_TRUE(Eventually([&] { return ended == 8; }));
  EXPECT_EQ(failed, 0);
}

TEST_F(ClusterTest, NamesAreResolvedAgainAndAgain) {
  StartNodes(2);
  std::mutex mutex;
  Result<std::vector<std::string>> answer(std::vector<std::string>{node(0).address});
  std::atomic<int> asked{0};
  config_.resolve = [&](const Ctx&, const std::string& name) {
    EXPECT_EQ(name, "toy.local:80");
    std::lock_guard lock(mutex);
    ++asked;
    return Answer(answer);
  };
  config_.policy.resolve.every = milliseconds(10);
  config_.policy.resolve.every_min = milliseconds(1);
  StartCluster({{.address = "dns:toy.local:80"}});
  EXPECT_EQ(Ping()->instance(), 0u);
  {
    std::lock_guard lock(mutex);
    answer = std::vector<std::string>{node(1).address};
  }
  EXPECT_TRUE(Eventually([&] { return Ping()->instance() == 1; }));
  {
    std::lock_guard lock(mutex);
    answer = absl::UnavailableError("the resolver is down");
  }
  const int before = asked;
  EXPECT_TRUE(Eventually([&] { return asked > before + 3; }));
  EXPECT_EQ(Ping()->instance(), 1u) << "the last good answer is kept";
}

TEST_F(ClusterTest, TheSystemsResolverFindsLocalhost) {
  StartNodes(1);
  StartCluster({{.address = StrCat("dns:localhost:", node(0).server->port(1))}});
  EXPECT_TRUE(Ping().ok());
}

TEST_F(ClusterTest, FaultRulesAtTheCaller) {
  StartNodes(2);
  config_.faults = std::make_shared<FaultRules>();
  StartCluster();
  EXPECT_TRUE(Add().ok());
  ASSERT_TRUE(config_.faults
                  ->Set({{.method = "tessera.toy.Toy.Add",
                          .header = "tessera-principal",
                          .header_value = "system",
                          .abort_percent = 100,
                          .abort_code = "RESOURCE_EXHAUSTED"}})
                  .ok());
  EXPECT_EQ(Add().status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(SyncWait(remote_->Add(Ctx(), {})).ok()) << "somebody else's call";
  EXPECT_TRUE(Ping().ok());
}

TEST_F(ClusterTest, FaultRulesAtTheCallee) {
  MeshNode& strict = AddNode();
  strict.config.faults = std::make_shared<FaultRules>();
  strict.Start();
  StartCluster();
  EXPECT_TRUE(Add().ok());
  ASSERT_TRUE(strict.config.faults
                  ->Set({{.method = "tessera.toy.Toy.",
                          .header = "x-request-id",
                          .header_value = "drill",
                          .delay_percent = 100,
                          .delay = milliseconds(30),
                          .abort_percent = 100,
                          .abort_code = "DATA_LOSS"}})
                  .ok());
  EXPECT_TRUE(Add().ok());
  auto info = std::make_shared<RequestInfo>();
  info->request_id = "drill";
  const SteadyTime start = Now();
  EXPECT_EQ(SyncWait(remote_->Add(Ctx(info, {}), {})).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_GE(Now() - start, milliseconds(29));
  EXPECT_EQ(strict.toy.adds, 2) << "the service does not see it";
}

TEST_F(ClusterTest, ItsFiguresAreMetrics) {
  StartNodes(1);
  config_.name = "metrics of a test";
  StartCluster();
  ASSERT_TRUE(Ping().ok());
  Cluster twin(config_, client_loops_);  // of the same name: no line comes twice
  const std::string text = Metrics::Process().Text();
  EXPECT_TRUE(SyncWait(twin.Close()).ok());
  EXPECT_THAT(text, HasSubstr(StrCat("tessera_mesh_calls_total{cluster=\"metrics of a test\","
                                     "endpoint=\"",
                                     node(0).address, "\"} 1\n")));
  const std::string line = "tessera_mesh_calls_total{cluster=\"metrics of a test\"";
  EXPECT_EQ(text.find(line), text.rfind(line));
  StopCluster();
  EXPECT_THAT(Metrics::Process().Text(), Not(HasSubstr("metrics of a test")));
}

TEST_F(ClusterTest, ClosingEndsWhatWaits) {
  StartNodes(1);
  StartCluster();
  node(0).toy.Hold();
  AddNode();
  std::atomic<int> ended{0};
  const auto count = [&](const Result<toy::AddReply>& reply) {
    EXPECT_EQ(reply.status().code(), absl::StatusCode::kUnavailable) << reply.status();
    ++ended;
  };
  Spawn(remote_->Ping(Brief(), Request("")), count);
  ASSERT_TRUE(Eventually([&] { return node(0).toy.waiting == 1; }));
  cluster_->SetEndpoints({{.address = node(1).address}});
  Spawn(remote_->Ping(Brief(), Request("")), count);
  ASSERT_TRUE(Eventually([&] { return cluster_->Snapshot().waiting == 1; }));
  EXPECT_TRUE(SyncWait(cluster_->Close()).ok());
  EXPECT_TRUE(Eventually([&] { return ended == 2; }));
}

}  // namespace
}  // namespace tessera
