// The toy service behind the remote door, over TCP and over a Unix socket, each idempotent call
// sent twice: what holds locally holds here.

#include <condition_variable>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "remote/remote_toy.h"
#include "runtime/when_all.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Waits for what another thread does; at most ten seconds.
template <class Condition>
bool Eventually(Condition condition) {
  const SteadyTime end = Now() + seconds(10);
  while (!condition()) {
    if (Now() > end) return false;
    const Status slept = SyncWait(SleepFor(Ctx(), milliseconds(2)));
  }
  return true;
}

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): googletest derives from it
class RemoteTest : public ::testing::TestWithParam<bool> {
 protected:
  RemoteTest() {
    static std::atomic<int> number{0};
    address_ = GetParam() ? StrCat("unix:/tmp/tessera_remote_", ::getpid(), "_", ++number, ".sock")
                          : "127.0.0.1:0";
    table_.Set(router_.route().id(), {{MakeInstance<Toy>("toy", toy_), 1}});
    server_config_.gzip_bytes_min = 64 << 10;
    StartServer();
    channel_config_.send_identity = true;
    channel_config_.repeat_idempotent = true;
    StartChannel();
  }
  ~RemoteTest() override {
    StopChannel();
    StopServer();
    if (GetParam()) ::unlink(address_.substr(5).c_str());  // of a server that handed over
  }

  void StartServer() {
    server_config_.listeners = {{.address = address_, .trusts_identity = true, .compresses = true}};
    server_ = std::make_unique<RemoteServer>(server_config_, server_loops_, cpu_);
    server_->Serve(Bind(static_cast<Toy&>(router_)));
    const Status started = server_->Start();
    ASSERT_TRUE(started.ok()) << started;
    if (!GetParam()) address_ = StrCat("127.0.0.1:", server_->port());
  }
  void StopServer() {
    if (!server_) return;
    const Status drained = SyncWait(server_->Drain(Ctx().WithTimeout(seconds(20))));
    EXPECT_TRUE(drained.ok()) << drained;
    server_.reset();
  }
  void StartChannel() {
    channel_config_.address = address_;
    channel_.emplace(channel_config_, client_loops_);
    remote_.emplace(*channel_);
  }
  void StopChannel() {
    if (channel_) EXPECT_TRUE(SyncWait(channel_->Close()).ok());
    remote_.reset();
    channel_.reset();
  }
  static toy::AddRequest Request(std::uint64_t id, std::string text) {
    toy::AddRequest request;
    request.set_id(id);
    request.set_text(std::move(text));
    return request;
  }

  std::string address_;
  IoLoops server_loops_{2};
  IoLoops client_loops_{2};
  ThreadPool cpu_{"cpu", 2};
  std::shared_ptr<EchoToy> toy_ = std::make_shared<EchoToy>();
  RouteTable table_;
  ToyRouter router_{table_};
  RemoteServerConfig server_config_;
  std::unique_ptr<RemoteServer> server_;
  RemoteChannelConfig channel_config_;
  std::optional<RemoteChannel> channel_;
  std::optional<ToyRemote> remote_;
};

INSTANTIATE_TEST_SUITE_P(Sockets, RemoteTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Unix" : "Tcp"; });

TEST_P(RemoteTest, CallsComeBack) {
  const auto reply = SyncWait(remote_->Add(SystemCtx(), Request(7, "hello")));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->id(), 7u);
  EXPECT_EQ(reply->text(), "hello");
  EXPECT_EQ(toy_->Seen(7), 1) << "what is not idempotent is sent once";
  ASSERT_TRUE(SyncWait(remote_->Ping(Ctx(), Request(1, "x"))).ok());
  EXPECT_EQ(toy_->pings, 2) << "what is idempotent is sent twice in this test";
}

TEST_P(RemoteTest, LargeMessagesGoThroughSmallWindows) {
  std::string text(9 << 20, 'a');
  for (std::size_t i = 0; i < text.size(); i += 7) text[i] = static_cast<char>('a' + i % 23);
  const auto reply = SyncWait(remote_->Add(SystemCtx(), Request(1, text)));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(reply->text() == text);
}

TEST_P(RemoteTest, TooLargeIsResourceExhausted) {
  const auto reply = SyncWait(remote_->Add(SystemCtx(), Request(1, std::string(17 << 20, 'a'))));
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kResourceExhausted) << reply.status();
  EXPECT_TRUE(SyncWait(remote_->Ping(Ctx(), {})).ok()) << "the connection goes on";
}

TEST_P(RemoteTest, StreamsComeWhole) {
  toy::TellRequest request;
  request.set_count(5000);
  request.set_text_bytes(100);
  const auto stream = SyncWait(remote_->Tell(SystemCtx(), request));
  ASSERT_TRUE(stream.ok()) << stream.status();
  for (std::uint32_t i = 0; i < 5000; ++i) {
    const auto item = SyncWait((*stream)->Next(SystemCtx()));
    ASSERT_TRUE(item.ok() && item->has_value()) << item.status();
    ASSERT_EQ((*item)->number(), i);
  }
  const auto end = SyncWait((*stream)->Next(SystemCtx()));
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_FALSE(end->has_value());
}

TEST_P(RemoteTest, AStreamThatCannotBeginIsAnErrorOfTheCall) {
  toy::TellRequest request;
  request.set_count(13);
  EXPECT_EQ(SyncWait(remote_->Tell(SystemCtx(), request)).status(),
            absl::NotFoundError("no such tale"));
}

TEST_P(RemoteTest, ASlowReaderStopsTheSender) {
  toy::TellRequest request;
  request.set_count(10'000);
  request.set_text_bytes(10'000);
  channel_config_.repeat_idempotent = false;
  StopChannel();
  StartChannel();
  auto stream = SyncWait(remote_->Tell(SystemCtx(), request));
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_TRUE(SyncWait((*stream)->Next(SystemCtx())).ok());
  int before = -1;
  ASSERT_TRUE(Eventually([&] { return std::exchange(before, toy_->made.load()) == toy_->made; }));
  EXPECT_LT(toy_->made, 400) << "of 10,000 that would be 100 MB";
  // Other calls on the same connection are not held up.
  EXPECT_TRUE(SyncWait(remote_->Ping(Ctx(), {})).ok());
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(SyncWait((*stream)->Next(SystemCtx()))->has_value());
  EXPECT_GE(toy_->made, 3000);
  stream = absl::CancelledError("dropped");
  EXPECT_TRUE(Eventually([&] { return toy_->open == 0; })) << "a dropped stream ends at the server";
}

TEST_P(RemoteTest, ErrorsKeepTheirDetails) {
  const Status fail = SyncWait(remote_->Add(SystemCtx(), Request(1, "fail"))).status();
  EXPECT_EQ(fail, InvalidField("text", "must not be \"fail\" \xE2\x80\x93 100%"));
  const Status busy = SyncWait(remote_->Add(SystemCtx(), Request(1, "busy"))).status();
  EXPECT_EQ(busy.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfterOf(busy), 7);
}

TEST_P(RemoteTest, TheCallerIsKnownBehindTheDoor) {
  RequestInfo info;
  info.request_id = "r-1";
  info.tenant = "t\xC3\xA4st";
  info.principal = {.id = "anna b", .scopes = {"toy.write", "a b"}};
  info.trace = {.high = 1, .low = 2, .sampled = true};
  const Ctx ctx(std::make_shared<const RequestInfo>(info), {});
  const auto reply = SyncWait(remote_->Add(ctx, Request(1, "who")));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->text(),
            StrCat("anna b|toy.write,a b,|t\xC3\xA4st|r-1|", Hex(1), Hex(2), "|deadline"));
  EXPECT_EQ(SyncWait(remote_->Add(Ctx(), Request(1, "who"))).status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_P(RemoteTest, DeadlinesEndBothSides) {
  const auto reply =
      SyncWait(remote_->Add(SystemCtx().WithTimeout(milliseconds(50)), Request(1, "wait")));
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kDeadlineExceeded) << reply.status();
  EXPECT_TRUE(Eventually([&] { return toy_->cancelled == 1 && toy_->waiting == 0; }));
}

TEST_P(RemoteTest, CancellingReachesTheServer) {
  CancelSource cancel;
  std::mutex mutex;
  std::optional<Status> ended;
  Spawn(remote_->Add(SystemCtx(cancel.token()), Request(1, "wait")),
        [&](const Result<toy::AddReply>& reply) {
          std::lock_guard lock(mutex);
          ended = reply.status();
        });
  ASSERT_TRUE(Eventually([&] { return toy_->waiting == 1; }));
  cancel.Cancel(absl::CancelledError("enough"));
  EXPECT_TRUE(Eventually([&] {
    std::lock_guard lock(mutex);
    return ended.has_value();
  }));
  EXPECT_EQ(ended, absl::CancelledError("enough"));
  EXPECT_TRUE(Eventually([&] { return toy_->cancelled == 1; }));
}

TEST_P(RemoteTest, AClientThatGoesCancelsItsCalls) {
  Spawn(remote_->Add(SystemCtx(), Request(1, "wait")), [](const auto&) {});
  ASSERT_TRUE(Eventually([&] { return toy_->waiting == 1; }));
  StopChannel();
  EXPECT_TRUE(Eventually([&] { return toy_->cancelled == 1; }));
}

TEST_P(RemoteTest, AServerThatIsCutEndsStreamsWithAnError) {
  toy::TellRequest request;
  request.set_count(1'000'000);
  request.set_text_bytes(1000);
  const auto stream = SyncWait(remote_->Tell(SystemCtx(), request));
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(SyncWait((*stream)->Next(SystemCtx()))->has_value());
  const Status drained = SyncWait(server_->Drain(Ctx().WithTimeout(milliseconds(30))));
  EXPECT_EQ(drained.code(), absl::StatusCode::kDeadlineExceeded);
  server_.reset();
  Status end;
  while (true) {
    const auto item = SyncWait((*stream)->Next(SystemCtx()));
    end = item.status();
    if (!end.ok()) break;
    ASSERT_TRUE(item->has_value()) << "a stream that was cut must not end silently";
  }
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable) << end;
  EXPECT_EQ(SyncWait(remote_->Ping(Ctx(), {})).status().code(), absl::StatusCode::kUnavailable);
  StartServer();
  EXPECT_TRUE(Eventually([&] { return SyncWait(remote_->Ping(Ctx(), {})).ok(); }));
}

Task<int> CallMany(IoLoop* loop, Toy* remote, std::uint64_t first, int count) {
  co_await SwitchTo(*loop);
  int failed = 0;
  for (int i = 0; i < count; ++i) {
    toy::AddRequest request;
    request.set_id(first + static_cast<std::uint64_t>(i));
    const auto reply = co_await remote->Add(SystemCtx(), request);
    if (!reply.ok() || reply->id() != request.id()) ++failed;
  }
  co_return failed;
}

TEST_P(RemoteTest, CallsBeyondTheStreamLimitWaitTheirTurn) {
  StopChannel();
  StopServer();
  server_config_.http2.streams_max = 2;
  StartServer();
  StartChannel();
  std::vector<Task<int>> callers;
  for (std::uint64_t i = 0; i < 10; ++i) {
    callers.push_back(CallMany(&client_loops_[0], &*remote_, i << 32, 20));
  }
  for (const int failed : SyncWait(WhenAll(std::move(callers)))) EXPECT_EQ(failed, 0);
  // Both places are taken: the third call ends in the queue, and holds up nobody after it.
  std::vector<Task<Result<toy::AddReply>>> waiting;
  const Ctx ctx = SystemCtx().WithTimeout(milliseconds(200));
  for (int i = 0; i < 5; ++i) waiting.push_back(remote_->Add(ctx, Request(1, "wait")));
  for (const auto& reply : SyncWait(WhenAll(std::move(waiting)))) {
    EXPECT_EQ(reply.status().code(), absl::StatusCode::kDeadlineExceeded) << reply.status();
  }
  EXPECT_TRUE(SyncWait(remote_->Ping(Ctx(), {})).ok());
}

TEST_P(RemoteTest, ADrainLosesNoCall) {
  // A successor listens before the old server drains, as in a move.
  std::atomic<bool> done{false};
  int failed = 0;
  std::vector<Task<int>> callers;
  for (std::uint64_t i = 0; i < 8; ++i) {
    callers.push_back(CallMany(&client_loops_[i % 2], &*remote_, i << 32, 400));
  }
  Spawn(WhenAll(std::move(callers)), [&](const std::vector<int>& results) {
    for (const int result : results) failed += result;
    done = true;
  });
  RemoteServerConfig config = server_config_;
  int rounds = 0;
  while (!done && rounds < 6) {
    config.listeners[0].adopted_socket = server_->HandOver();
    auto successor = std::make_unique<RemoteServer>(config, server_loops_, cpu_);
    successor->Serve(Bind(static_cast<Toy&>(router_)));
    ASSERT_TRUE(successor->Start().ok());
    StopServer();
    server_ = std::move(successor);
    ++rounds;
  }
  EXPECT_TRUE(Eventually([&] { return done.load(); }));
  EXPECT_EQ(failed, 0) << "in " << rounds << " drains";
  EXPECT_GT(rounds, 0);
  for (std::uint64_t i = 0; i < 8; ++i) {
    for (std::uint64_t k = 0; k < 400; ++k) ASSERT_EQ(toy_->Seen((i << 32) + k), 1);
  }
}

// Calls from one loop after the other, so that local calls let others run. Gives the number of
// calls; a failed one adds a million.
Task<std::uint64_t> CallUntil(IoLoops* loops, Toy* toy, std::uint64_t first,
                              std::atomic<bool>* stop) {
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
  while (!*stop) {
    co_await SwitchTo((*loops)[calls % loops->size()]);
    toy::AddRequest request;
    request.set_id(first + calls++);
    const auto reply = co_await toy->Add(SystemCtx(), request);
    if (!reply.ok() || reply->id() != request.id()) ++failed;
  }
  co_return calls + failed * 1'000'000;
}

TEST_P(RemoteTest, AMoveBetweenLocalAndRemoteLosesNoCall) {
  // Another router, as in the caller's process: its instance is local or behind the door.
  RouteTable table;
  ToyRouter router(table);
  const auto local = [&] { return MakeInstance<Toy>("local", toy_); };
  const auto remote = [&] {
    return MakeInstance<Toy>("remote", std::make_shared<ToyRemote>(*channel_));
  };
  table.Set(router.route().id(), {{local(), 1}});
  std::atomic<bool> stop{false};
  std::atomic<bool> done{false};
  std::vector<std::uint64_t> counts;
  std::vector<Task<std::uint64_t>> callers;
  for (std::uint64_t i = 0; i < 8; ++i) {
    callers.push_back(CallUntil(&client_loops_, &router, i << 32, &stop));
  }
  Spawn(WhenAll(std::move(callers)), [&](std::vector<std::uint64_t> results) {
    counts = std::move(results);
    done = true;
  });
  for (int moves = 0; moves < 20; ++moves) {
    const InstancePtr next = moves % 2 == 0 ? remote() : local();
    const Status moved =
        SyncWait(table.Replace(Ctx().WithTimeout(seconds(10)), router.route().id(), next));
    EXPECT_TRUE(moved.ok()) << moved;
    // Some calls see each side.
    const std::uint64_t before = toy_->adds;
    EXPECT_TRUE(Eventually([&] { return toy_->adds > before + 20; }));
  }
  stop = true;
  ASSERT_TRUE(Eventually([&] { return done.load(); }));
  for (std::uint64_t i = 0; i < 8; ++i) {
    ASSERT_LT(counts[i], 1'000'000u) << "calls failed";
    for (std::uint64_t k = 0; k < counts[i]; ++k) ASSERT_EQ(toy_->Seen((i << 32) + k), 1);
  }
}

}  // namespace
}  // namespace tessera
