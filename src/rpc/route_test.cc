// The toy service behind its router, in the topologies Local and Moving: nothing is lost, repeated
// or cut.

#include "rpc/route.h"

#include <atomic>
#include <set>

#include <gtest/gtest.h>

#include "base/ids.h"
#include "runtime/thread_pool.h"
#include "runtime/when_all.h"
#include "tessera/toy/toy_rpc.tessera.h"

namespace tessera {

/// Enters a route and does something else at the worst moment.
class RouteTablePause {
 public:
  template <class Pause>
  static Lease Enter(RouteTable& table, RouteTable::RouteId route, Pause pause) {
    return table.EnterPausing(route, std::move(pause));
  }
};

namespace {

/// What every instance together was asked to do. Thread-safe.
class Ledger {
 public:
  void Add(std::uint64_t id) {
    std::lock_guard lock(mutex_);
    repeated_ += ids_.insert(id).second ? 0 : 1;
  }
  std::size_t size() const { return ids_.size(); }
  int repeated() const { return repeated_; }

 private:
  std::mutex mutex_;
  std::set<std::uint64_t> ids_;
  int repeated_ = 0;
};

class CountedItems final : public Stream<toy::TellItem> {
 public:
  CountedItems(std::uint32_t count, std::uint64_t instance, std::atomic<int>& inside,
               Executor& pool)
      : count_(count), instance_(instance), inside_(inside), pool_(pool) {
    ++inside_;
  }
  ~CountedItems() override { --inside_; }
  Task<Result<std::optional<toy::TellItem>>> Next(Ctx ctx) override {
    co_await SwitchTo(pool_);
    if (next_ == count_) co_return std::nullopt;
    toy::TellItem item;
    item.set_number(next_++);
    item.set_instance(instance_);
    co_return item;
  }

 private:
  const std::uint32_t count_;
  const std::uint64_t instance_;
  std::atomic<int>& inside_;
  Executor& pool_;
  std::uint32_t next_ = 0;
};

/// An instance must not be destroyed while a call is inside: that is what a drain promises.
class LocalToy final : public Toy {
 public:
  LocalToy(std::uint64_t number, Ledger& ledger, Executor& pool)
      : number_(number), ledger_(ledger), pool_(pool) {}
  ~LocalToy() override { EXPECT_EQ(inside_, 0); }

  Task<Result<toy::AddReply>> Add(Ctx ctx, toy::AddRequest request) override {
    ++inside_;
    if (request.id() % 3 != 0) co_await SwitchTo(pool_);
    ledger_.Add(request.id());
    toy::AddReply reply;
    reply.set_id(request.id());
    reply.set_instance(number_);
    --inside_;
    co_return reply;
  }
  Task<Result<StreamPtr<toy::TellItem>>> Tell(Ctx ctx, toy::TellRequest request) override {
    StreamPtr<toy::TellItem> items =
        std::make_unique<CountedItems>(request.count(), number_, inside_, pool_);
    co_return items;
  }
  Task<Result<toy::AddReply>> Ping(Ctx ctx, toy::AddRequest request) override {
    toy::AddReply reply;
    reply.set_id(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(ctx.deadline() - Now()).count()));
    co_return reply;
  }

 private:
  const std::uint64_t number_;
  Ledger& ledger_;
  Executor& pool_;
  std::atomic<int> inside_{0};
};

class RouteTest : public ::testing::Test {
 protected:
  InstancePtr NewInstance() {
    const std::uint64_t number = ++instances_;
    return MakeInstance<Toy>(StrCat("toy-", number),
                             std::make_shared<LocalToy>(number, ledger_, service_pool_));
  }
  void Serve() { table_.Set(router_.route().id(), {WeightedInstance{NewInstance(), 1}}); }

  ThreadPool service_pool_{"service", 2};
  ThreadPool caller_pool_{"caller", 2};
  Ledger ledger_;
  std::uint64_t instances_ = 0;
  RouteTable table_;
  ToyRouter router_{table_};
  Toy& toy_ = router_;
};

Task<int> AddMany(Executor* pool, Toy* toy, std::uint64_t first, int count) {
  co_await SwitchTo(*pool);
  int failed = 0;
  for (int i = 0; i < count; ++i) {
    toy::AddRequest request;
    request.set_id(first + static_cast<std::uint64_t>(i));
    const auto reply = co_await toy->Add(SystemCtx(), request);
    if (!reply.ok() || reply->id() != request.id()) ++failed;
  }
  co_return failed;
}

/// Reads streams to their end; counts those that failed, were cut, or came from more than one
/// instance.
Task<int> TellMany(Executor* pool, Toy* toy, int count) {
  constexpr std::uint32_t kItems = 20;
  co_await SwitchTo(*pool);
  int failed = 0;
  for (int i = 0; i < count; ++i) {
    toy::TellRequest request;
    request.set_count(kItems);
    auto stream = co_await toy->Tell(SystemCtx(), request);
    if (!stream.ok()) {
      ++failed;
      continue;
    }
    std::uint32_t items = 0;
    std::set<std::uint64_t> instances;
    while (true) {
      const auto item = co_await (*stream)->Next(SystemCtx());
      if (!item.ok() || !item->has_value()) break;
      if ((*item)->number() == items) ++items;
      instances.insert((*item)->instance());
    }
    if (items != kItems || instances.size() != 1) ++failed;
  }
  co_return failed;
}

Task<int> Load(Executor* pool, Toy* toy, int count, std::atomic<bool>* done) {
  std::vector<Task<int>> callers;
  for (std::uint64_t i = 0; i < 6; ++i) callers.push_back(AddMany(pool, toy, i << 32, count));
  for (int i = 0; i < 2; ++i) callers.push_back(TellMany(pool, toy, count / 20));
  const std::vector<int> failed = co_await WhenAll(std::move(callers));
  *done = true;
  int sum = 0;
  for (const int f : failed) sum += f;
  co_return sum;
}

TEST_F(RouteTest, LocalNothingIsLostOrRepeated) {
  Serve();
  std::atomic<bool> done = false;
  EXPECT_EQ(SyncWait(Load(&caller_pool_, &toy_, 2000, &done)), 0);
  EXPECT_EQ(ledger_.size(), 12'000u);
  EXPECT_EQ(ledger_.repeated(), 0);
}

TEST_F(RouteTest, MovingUnderLoadNothingIsLostRepeatedOrCut) {
  Serve();
  std::atomic<bool> done = false;
  int failed = -1;
  std::thread load([&] { failed = SyncWait(Load(&caller_pool_, &toy_, 10'000, &done)); });
  int moves = 0;
  while (!done) {
    const Status moved = SyncWait(table_.Replace(SystemCtx().WithTimeout(std::chrono::seconds(20)),
                                                 router_.route().id(), NewInstance()));
    ASSERT_TRUE(moved.ok()) << moved;
    ++moves;
  }
  load.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(ledger_.size(), 60'000u);
  EXPECT_EQ(ledger_.repeated(), 0);
  EXPECT_GT(moves, 50);
}

// Between a call's choice of an instance and its count in it, the instance is replaced, found empty
// and stopped: the call must notice and take the next one.
TEST_F(RouteTest, ACallThatChoseAnInstanceBeforeItsDrainTakesTheNext) {
  Serve();
  const RouteTable::RouteId route = router_.route().id();
  const InstancePtr first = table_.Get(route)[0].instance;
  int moves = 0;
  const auto replace = [&] {
    if (++moves > 3) return;
    const Status moved = SyncWait(
        table_.Replace(SystemCtx().WithTimeout(std::chrono::seconds(20)), route, NewInstance()));
    EXPECT_TRUE(moved.ok()) << moved;
  };
  const Lease lease = RouteTablePause::Enter(table_, route, replace);
  EXPECT_EQ(moves, 4);
  const InstancePtr serving = table_.Get(route)[0].instance;
  EXPECT_EQ(serving->name(), "toy-4");
  EXPECT_EQ(serving->in_flight().count(), 1);
  EXPECT_EQ(first->in_flight().count(), 0) << "a call is inside an instance that was stopped";
  ASSERT_NE(&lease.target<Toy>(), nullptr);
}

TEST_F(RouteTest, WeightsShareTheCalls) {
  const InstancePtr one = NewInstance();
  const InstancePtr nine = NewInstance();
  table_.Set(router_.route().id(), {{one, 10}, {nine, 90}});
  int to_one = 0;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    toy::AddRequest request;
    request.set_id(i * 3);
    to_one += SyncWait(toy_.Add(SystemCtx(), request))->instance() == 1 ? 1 : 0;
  }
  EXPECT_GT(to_one, 350);
  EXPECT_LT(to_one, 650);
}

TEST_F(RouteTest, ACallerWithoutThePermissionIsRefused) {
  Serve();
  EXPECT_EQ(SyncWait(toy_.Add(Ctx(), {})).status().code(), absl::StatusCode::kUnauthenticated);
  RequestInfo reader;
  reader.principal = {.id = "reader", .scopes = {"toy.read"}};
  const Ctx ctx(std::make_shared<const RequestInfo>(reader), {});
  EXPECT_EQ(SyncWait(toy_.Add(ctx, {})).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(SyncWait(toy_.Tell(ctx, {})).ok());
  EXPECT_TRUE(SyncWait(toy_.Ping(Ctx(), {})).ok());
  EXPECT_EQ(router_.route().metrics(0).errors(absl::StatusCode::kPermissionDenied), 1u);
  EXPECT_EQ(router_.route().metrics(0).seconds().count, 2u);
}

TEST_F(RouteTest, TheDeadlineIsTheEarlierOfCallersAndMethods) {
  Serve();
  const auto left = SyncWait(toy_.Ping(SystemCtx().WithTimeout(std::chrono::hours(1)), {}));
  EXPECT_LE(left->id(), 1000u);
  EXPECT_GT(left->id(), 500u);
  // The router reads the cycle clock, which may be a little behind.
  const SteadyTime past = Now() - std::chrono::milliseconds(10);
  EXPECT_EQ(SyncWait(toy_.Ping(SystemCtx().WithDeadline(past), {})).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  CancelSource cancel;
  cancel.Cancel(absl::CancelledError("gone"));
  EXPECT_EQ(SyncWait(toy_.Ping(SystemCtx(cancel.token()), {})).status().message(), "gone");
}

TEST_F(RouteTest, WithoutAnInstanceACallIsUnavailable) {
  EXPECT_EQ(SyncWait(toy_.Ping(SystemCtx(), {})).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(RouteTest, CallsLeaveSpans) {
  Serve();
  RequestInfo info;
  info.spans = TraceSpans::Make({.high = 1, .low = 2, .sampled = true}, true);
  const Ctx ctx = Ctx(std::make_shared<const RequestInfo>(info), {}).WithSpan(7);
  ASSERT_TRUE(SyncWait(toy_.Ping(ctx, {})).ok());
  ASSERT_TRUE(SyncWait(toy_.Ping(ctx.WithSpan(info.spans->IdOf(0)), {})).ok());
  const TraceSpans::Copy copy = info.spans->Read();
  ASSERT_EQ(copy.spans.size(), 2u);
  EXPECT_EQ(copy.spans[0].name, "tessera.toy.Toy.Ping");
  EXPECT_EQ(copy.spans[0].kind, SpanKind::kServer);  // the first here came from elsewhere
  EXPECT_EQ(copy.spans[0].parent, 7u);
  EXPECT_EQ(copy.spans[1].kind, SpanKind::kInternal);
  EXPECT_EQ(copy.spans[1].parent, copy.spans[0].id);
  EXPECT_GT(copy.spans[1].end, copy.spans[1].start);
}

TEST_F(RouteTest, ADroppedStreamFreesItsInstance) {
  Serve();
  const InstancePtr old = table_.Get(router_.route().id())[0].instance;
  toy::TellRequest request;
  request.set_count(5);
  auto stream = SyncWait(toy_.Tell(SystemCtx(), request));
  EXPECT_EQ(old->in_flight().count(), 1);
  EXPECT_EQ(SyncWait(table_.Replace(SystemCtx().WithTimeout(std::chrono::milliseconds(5)),
                                    router_.route().id(), NewInstance()))
                .code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ((*SyncWait((*stream)->Next(SystemCtx())))->instance(),
            1u);  // it goes on where it began
  stream = absl::CancelledError("dropped");
  EXPECT_TRUE(SyncWait(old->in_flight().WaitUntilEmpty(Ctx())).ok());
}

TEST_F(RouteTest, BindingsCallByIndex) {
  Serve();
  const std::vector<MethodBinding> bindings = Bind(toy_);
  ASSERT_EQ(bindings.size(), 3u);
  auto request = std::make_unique<toy::AddRequest>();
  request->set_id(9);
  const auto reply = SyncWait(bindings[0].call(SystemCtx(), std::move(request)));
  EXPECT_EQ(dynamic_cast<toy::AddReply&>(**reply).id(), 9u);
  auto tell = std::make_unique<toy::TellRequest>();
  tell->set_count(1);
  const auto stream = SyncWait(bindings[1].call_stream(SystemCtx(), std::move(tell)));
  EXPECT_TRUE(SyncWait((*stream)->Next(SystemCtx()))->has_value());
  EXPECT_FALSE(SyncWait((*stream)->Next(SystemCtx()))->has_value());
}

}  // namespace
}  // namespace tessera
