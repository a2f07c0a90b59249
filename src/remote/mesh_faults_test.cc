// The network between a cluster and its servers misbehaves, and servers are killed: callers of
// idempotent methods notice nothing, and afterwards all is as before.

#include <algorithm>
#include <array>
#include <csignal>

#include <spawn.h>
#include <sys/wait.h>

#include "remote/fault_proxy.h"
#include "remote/mesh_nodes.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct NamedFault {
  const char* name;
  ProxyFault fault;
  bool reset = false;  ///< open connections are reset first
};

const NamedFault kFaults[] = {
    {"Delay", {.delay = milliseconds(20)}},
    {"Reset", {}, true},
    {"Refuse", {.refuse = true}, true},
    {"BlackHole", {.black_hole = true}},
    {"BlackHoleFromTheStart", {.black_hole = true}, true},
    {"HalfOpen", {.half_open = true}},
    {"SlowReader", {.delay = milliseconds(1), .piece_bytes = 7}},
    {"CutInMidMessage", {.cut_after = 150}, true},
};

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): googletest derives from it
class MeshFaultTest : public MeshTest, public ::testing::WithParamInterface<NamedFault> {
 protected:
  MeshFaultTest() {
    // What takes half a minute by default.
    config_.channel.http2.ping_after = milliseconds(100);
    config_.channel.http2.ping_timeout = milliseconds(200);
    config_.channel.http2.preface_timeout = milliseconds(300);
    config_.channel.connect_timeout = milliseconds(300);
    config_.policy.retry.try_timeout = milliseconds(200);
    config_.policy.retry.budget_per_second = 1000;
    config_.policy.outlier.eject_for = milliseconds(100);
    config_.policy.health.every = milliseconds(50);
    config_.policy.health.timeout = milliseconds(200);
  }
  void Break(FaultProxy& proxy) const {
    proxy.Set(GetParam().fault);
    if (GetParam().reset) proxy.ResetAll();
  }
};

INSTANTIATE_TEST_SUITE_P(Faults, MeshFaultTest, ::testing::ValuesIn(kFaults),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(MeshFaultTest, IdempotentCallsGoOnElsewhereAndComeBack) {
  StartNodes(2);
  FaultProxy proxy(node(0).server->port(1));
  StartCluster(
      {{.address = proxy.address()}, {.address = StrCat("127.0.0.1:", node(1).server->port(1))}});
  ASSERT_TRUE(Eventually([&] { return Ping().ok() && node(0).toy.pings > 3; }));
  for (int round = 0; round < 3; ++round) {
    Break(proxy);
    for (int i = 0; i < 12; ++i) {
      const auto reply = Ping(std::string(500, 'x'));
      ASSERT_TRUE(reply.ok()) << reply.status();
    }
    proxy.Set({});
    const int before = node(0).toy.pings;
    EXPECT_TRUE(Eventually([&] { return Ping().ok() && node(0).toy.pings > before + 3; }))
        << "its calls come back";
  }
}

TEST_P(MeshFaultTest, TheOnlyEndpointRecovers) {
  StartNodes(1);
  FaultProxy proxy(node(0).server->port(1));
  StartCluster({{.address = proxy.address()}});
  ASSERT_TRUE(Ping().ok());
  for (int round = 0; round < 3; ++round) {
    Break(proxy);
    for (int i = 0; i < 3; ++i) {
      const auto reply = SyncWait(
          remote_->Ping(Ctx().WithTimeout(milliseconds(100)), Request(std::string(500, 'x'))));
    }
    proxy.Set({});
    // From here on no call fails: what is left of the fault costs time.
    for (int i = 0; i < 5; ++i) {
      const auto reply = Ping();
      ASSERT_TRUE(reply.ok() || i == 0) << reply.status() << ", call " << i;
    }
    ASSERT_TRUE(Ping().ok());
  }
}

TEST_P(MeshFaultTest, AStreamEndsWithAllItsItemsOrAnError) {
  StartNodes(1);
  FaultProxy proxy(node(0).server->port(1));
  StartCluster({{.address = proxy.address()}});
  toy::TellRequest request;
  request.set_count(50);
  node(0).toy.hold_from = 20;
  const auto stream = SyncWait(remote_->Tell(Brief(), request));
  ASSERT_TRUE(stream.ok()) << stream.status();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(SyncWait((*stream)->Next(Brief())).ok());
  Break(proxy);
  node(0).toy.hold_from = UINT32_MAX;
  node(0).toy.Release();
  std::uint32_t next = 20;
  const SteadyTime start = Now();
  while (true) {
    const auto item = SyncWait((*stream)->Next(Ctx()));  // without a deadline
    if (!item.ok()) break;
    if (!item->has_value()) {
      EXPECT_EQ(next, 50u) << "an end is the end";
      break;
    }
    EXPECT_EQ((*item)->number(), next++);
  }
  EXPECT_LT(Now() - start, seconds(15));
  proxy.Set({});
}

/// A server in a process of its own, which is this program run again.
class MeshChild {
 public:
  explicit MeshChild(std::string path) : path_(std::move(path)) {}
  ~MeshChild() {
    Kill();
    ::unlink(path_.c_str());
  }
  void Start() {
    const std::string variable = StrCat("TESSERA_MESH_CHILD=", path_);
    std::vector<char*> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
    environment.push_back(const_cast<char*>(variable.c_str()));
    environment.push_back(nullptr);
    const char* const arguments[] = {"mesh_child", "--gtest_filter=MeshChildTest.DISABLED_Serves",
                                     "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr};
    ASSERT_EQ(::posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr,
                            const_cast<char* const*>(arguments), environment.data()),
              0);
  }
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
  }

 private:
  const std::string path_;
  pid_t pid_ = -1;
};

// The child's own part: serves until it is killed, or its parent is gone.
TEST(MeshChildTest, DISABLED_Serves) {
  const char* const path = ::getenv("TESSERA_MESH_CHILD");
  if (path == nullptr) GTEST_SKIP() << "run by the tests that kill it";
  const pid_t parent = ::getppid();
  IoLoops loops(1);
  ThreadPool cpu("cpu", 1);
  MeshNode node(::getpid(), path, loops, cpu);
  node.Start();
  while (::getppid() == parent) {
    const Status slept = SyncWait(SleepFor(Ctx(), milliseconds(50)));
  }
}

struct Load {
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0}, ended{0};
  std::atomic<std::uint64_t> calls{0};
  std::array<std::atomic<std::uint64_t>, 32> by_caller{};
};

Task<void> CallUntilStopped(IoLoop* loop, Toy* toy, Load* load, std::size_t caller) {
  co_await SwitchTo(*loop);
  while (!load->stop) {
    const auto reply = co_await toy->Ping(SystemCtx().WithTimeout(seconds(20)), toy::AddRequest());
    if (!reply.ok() && load->failed.fetch_add(1) < 5) {
      ADD_FAILURE() << reply.status();
    }
    load->calls.fetch_add(1);
    load->by_caller[caller].fetch_add(1);
  }
}

class MeshKillTest : public MeshTest {
 protected:
  void KillAndRestart(std::size_t children) {
    std::vector<std::unique_ptr<MeshChild>> started;
    std::vector<MeshEndpoint> endpoints;
    for (std::size_t i = 0; i < children; ++i) {
      const std::string path = StrCat("/tmp/tessera_mesh_child_", ::getpid(), "_", i, ".sock");
      started.push_back(std::make_unique<MeshChild>(path));
      started.back()->Start();
      endpoints.push_back({.address = StrCat("unix:", path)});
    }
    config_.policy = MeshPolicy();  // what is promised is promised of the defaults
    StartCluster(endpoints);
    ASSERT_TRUE(Ping().ok());
    Load load;
    for (std::size_t i = 0; i < 32; ++i) {
      Spawn(CallUntilStopped(&client_loops_[i % 2], &*remote_, &load, i), [&] { ++load.ended; });
    }
    for (std::size_t round = 0; round < 6; ++round) {
      MeshChild& victim = *started[round % children];
      victim.Kill();
      victim.Start();
      // Every caller makes calls again before the next one dies: a call is sent three times at
      // most, and with two replicas the quick callers alone would see three deaths within its life.
      const std::uint64_t before = load.calls;
      std::vector<std::uint64_t> ended_before(load.by_caller.begin(), load.by_caller.end());
      ASSERT_TRUE(Eventually([&] {
        return load.calls > before + 500 &&
               std::equal(ended_before.begin(), ended_before.end(), load.by_caller.begin(),
                          [](std::uint64_t was, std::uint64_t is) { return is > was; });
      }));
    }
    load.stop = true;
    EXPECT_TRUE(Eventually([&] { return load.ended == 32; }));
    EXPECT_EQ(load.failed, 0) << "of " << load.calls;
    StopCluster();
  }
};

TEST_F(MeshKillTest, AKilledServerThatComesBackCostsIdempotentCallsNothing) { KillAndRestart(1); }
TEST_F(MeshKillTest, AKilledReplicaCostsIdempotentCallsNothing) { KillAndRestart(2); }

}  // namespace
}  // namespace tessera
