#include <atomic>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "runtime/channel.h"
#include "runtime/resource_use.h"
#include "runtime/scope.h"
#include "runtime/thread_pool.h"
#include "runtime/when_all.h"

namespace tessera {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

Task<bool> ComesHome(ThreadPool* pool) {
  Executor* const home = Executor::Current();
  Executor* const there = co_await RunOn(*pool, [] { return Executor::Current(); });
  co_return there == pool&& Executor::Current() == home&& home != nullptr;
}

Task<Status> Await(Waiter* waiter) { co_return co_await *waiter; }

TEST(WaiterTest, WhoeverCompletesLateIsTold) {
  Waiter waiter{Ctx()};
  const WaiterHandle handle = waiter.handle();
  EXPECT_TRUE(handle.Complete(absl::OkStatus()));
  EXPECT_FALSE(handle.Complete(absl::OkStatus()));
  EXPECT_TRUE(SyncWait(Await(&waiter)).ok());
  EXPECT_FALSE(handle.Complete(absl::CancelledError("late"))) << "else a wake-up is lost";
}

TEST(ThreadPoolTest, RunOnRunsThereAndComesBack) {
  ThreadPool pool("test", 2);
  EXPECT_TRUE(SyncWait(ComesHome(&pool)));
}

TEST(TimerTest, SleepsAndEndsEarlyWithTheDeadlineOrCancellation) {
  EXPECT_TRUE(SyncWait(SleepFor(Ctx(), milliseconds(1))).ok());
  EXPECT_EQ(SyncWait(SleepFor(Ctx().WithTimeout(milliseconds(1)), hours(1))).code(),
            absl::StatusCode::kDeadlineExceeded);
  CancelSource source;
  std::thread canceller([&source] { source.Cancel(absl::CancelledError("enough")); });
  EXPECT_EQ(SyncWait(SleepFor(Ctx({}, source.token()), hours(1))).message(), "enough");
  canceller.join();
}

Task<Status> SendAll(ThreadPool* pool, std::shared_ptr<Channel<int>> channel, int count) {
  co_await SwitchTo(*pool);
  for (int i = 0; i < count; ++i) {
    CO_TRY(co_await channel->Send(Ctx(), i));
  }
  channel->Close();
  co_return absl::OkStatus();
}

Task<Result<int>> SumAll(std::unique_ptr<Stream<int>> stream) {
  int sum = 0;
  while (true) {
    CO_TRY(const std::optional<int> item, co_await stream->Next(Ctx()));
    if (!item) co_return sum;
    sum += *item;
  }
}

TEST(ChannelTest, EveryItemArrivesInOrderThroughASmallBuffer) {
  ThreadPool pool("test", 1);
  auto channel = std::make_shared<Channel<int>>(2);
  Spawn(SendAll(&pool, channel, 10'000), [](Status status) { EXPECT_TRUE(status.ok()); });
  EXPECT_EQ(*SyncWait(SumAll(std::make_unique<ChannelStream<int>>(channel))), 49'995'000);
}

TEST(ChannelTest, AFullOneRefusesAndAnAbandonedOneTellsTheWriter) {
  auto channel = std::make_shared<Channel<int>>(1);
  int spaces = 0;
  channel->SetOnSpace([&spaces] { ++spaces; });
  int item = 1;
  EXPECT_TRUE(channel->TrySend(item));
  EXPECT_FALSE(channel->TrySend(item));
  EXPECT_TRUE(channel->full());
  {
    ChannelStream<int> reader(channel);
  }
  EXPECT_EQ(spaces, 1);
  EXPECT_EQ(SyncWait(channel->Send(Ctx(), 2)).code(), absl::StatusCode::kCancelled);
}

TEST(ChannelTest, TheWritersErrorComesAfterItsItems) {
  Channel<int> channel(2);
  int item = 7;
  channel.TrySend(item);
  channel.Close(absl::DataLossError("broken"));
  EXPECT_EQ(**SyncWait(channel.Receive(Ctx())), 7);
  EXPECT_EQ(SyncWait(channel.Receive(Ctx())).status().code(), absl::StatusCode::kDataLoss);
}

Task<void> SleepLong(CancelToken token, std::atomic<int>* cancelled) {
  const Status status = co_await SleepFor(Ctx({}, std::move(token)), hours(1));
  if (!status.ok()) ++*cancelled;
}

TEST(ScopeTest, StopCancelsAndWaits) {
  ThreadPool pool("test", 1);
  Scope scope;
  std::atomic<int> cancelled = 0;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(scope.Spawn(pool, SleepLong(scope.token(), &cancelled)));
  EXPECT_TRUE(SyncWait(scope.Stop(Ctx())).ok());
  EXPECT_EQ(cancelled, 10);
  EXPECT_FALSE(scope.Spawn(pool, SleepLong(scope.token(), &cancelled)));
}

Task<int> Square(ThreadPool* pool, int value) {
  co_await SwitchTo(*pool);
  co_return value* value;
}

TEST(WhenAllTest, ValuesComeInOrder) {
  ThreadPool pool("test", 2);
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 100; ++i) tasks.push_back(Square(&pool, i));
  const std::vector<int> squares = SyncWait(WhenAll(std::move(tasks)));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(squares[static_cast<std::size_t>(i)], i * i);
}

ResourceUse UseOf(const std::string& name) {
  for (const NamedResourceUse& one : ReadResourceUses()) {
    if (one.kind == "threads" && one.name == name) return one.use;
  }
  return {};
}

TEST(ResourceUseTest, PoolsOfOneNameAreToldTogetherAndWhatTheyDidIsNotForgotten) {
  std::promise<void> go;
  const std::shared_future<void> going = go.get_future().share();
  {
    ThreadPool first("measured", 1);
    ThreadPool second("measured", 2);
    std::promise<void> busy;
    first.Post([&busy, going] {
      busy.set_value();
      going.wait();
    });
    first.Post([] {});
    busy.get_future().wait();
    const ResourceUse use = UseOf("measured");
    EXPECT_EQ(use.capacity, 3);
    EXPECT_EQ(use.used, 1);
    EXPECT_EQ(use.waiting, 1);
    EXPECT_EQ(use.done, 0U);
    go.set_value();
  }
  const ResourceUse use = UseOf("measured");
  EXPECT_EQ(use.capacity, 0);
  EXPECT_EQ(use.used, 0);
  EXPECT_EQ(use.done, 2U);
  EXPECT_GT(use.busy_seconds, 0);
}

}  // namespace
}  // namespace tessera
