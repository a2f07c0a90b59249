// What a call through the router costs beside a plain virtual coroutine call. Prints one JSON line
// a figure.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "rpc/route.h"
#include "tessera/toy/toy_rpc.tessera.h"

namespace {
thread_local std::size_t allocations = 0;  // of the calling thread
}

void* operator new(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace tessera {
namespace {

class EmptyToy final : public Toy {
 public:
  Task<Result<toy::AddReply>> Add(Ctx ctx, toy::AddRequest request) override {
    toy::AddReply reply;
    reply.set_id(request.id());
    co_return reply;
  }
  Task<Result<StreamPtr<toy::TellItem>>> Tell(Ctx, toy::TellRequest) override {
    co_return absl::UnimplementedError("not measured");
  }
  Task<Result<toy::AddReply>> Ping(Ctx ctx, toy::AddRequest request) override {
    co_return toy::AddReply();
  }
};

constexpr int kCalls = 50'000;

Task<double> NanosecondsPerCall(Toy* toy) {
  const Ctx ctx = SystemCtx();
  const SteadyTime start = Now();
  for (std::uint64_t i = 0; i < kCalls; ++i) {
    toy::AddRequest request;
    request.set_id(i);
    const Result<toy::AddReply> reply = co_await toy->Add(ctx, std::move(request));
    CHECK(reply.ok() && reply->id() == i);
  }
  co_return std::chrono::duration<double, std::nano>(Now() - start).count() / kCalls;
}

// The least disturbed round: noise of the machine only adds.
double Best(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

constexpr auto kBetweenSwaps = std::chrono::milliseconds(1);

/// A thread that swaps the route between two instances, a thousand times a second, while it is told
/// to. It is there for all figures: a process with one thread counts its references more cheaply.
class Swapper {
 public:
  Swapper(RouteTable& table, RouteTable::RouteId route)
      : thread_([this, &table, route] {
          const auto one = MakeInstance<Toy>("one", std::make_shared<EmptyToy>());
          const auto two = MakeInstance<Toy>("two", std::make_shared<EmptyToy>());
          for (std::uint32_t i = 0; !stop_.load(); ++i) {
            if (swaps_.load()) table.Set(route, {WeightedInstance{i % 2 == 0 ? one : two, 1}});
            std::this_thread::sleep_for(kBetweenSwaps);  // the writer's pace, not a wait for calls
          }
        }) {}
  ~Swapper() {
    stop_ = true;
    thread_.join();
  }
  Swapper(const Swapper&) = delete;
  void Swap(bool on) { swaps_ = on; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<bool> swaps_{false};
  std::thread thread_;
};

int Run() {
  EmptyToy plain;
  RouteTable table;
  ToyRouter router(table);
  table.Set(router.route().id(),
            {WeightedInstance{MakeInstance<Toy>("toy", std::make_shared<EmptyToy>()), 1}});
  RouteTable swapped_table;
  ToyRouter swapped_router(swapped_table);
  swapped_table.Set(swapped_router.route().id(),
                    {WeightedInstance{MakeInstance<Toy>("rest", std::make_shared<EmptyToy>()), 1}});
  Swapper swapper(swapped_table, swapped_router.route().id());
  std::vector<double> direct, routed, still, swapped;
  for (int round = 0; round < 40; ++round) {  // in turn, so that all see the same machine
    direct.push_back(SyncWait(NanosecondsPerCall(&plain)));
    routed.push_back(SyncWait(NanosecondsPerCall(&router)));
    swapper.Swap(false);
    still.push_back(SyncWait(NanosecondsPerCall(&swapped_router)));
    swapper.Swap(true);
    swapped.push_back(SyncWait(NanosecondsPerCall(&swapped_router)));
  }
  swapper.Swap(false);
  const std::size_t before = allocations;
  SyncWait(NanosecondsPerCall(&router));
  const double allocations_per_call = static_cast<double>(allocations - before) / kCalls;
  const double base = Best(direct);
  const double added = Best(routed) - base;
  std::printf(
      "{\"name\":\"router: added cost of a call\",\"value\":%.1f,\"unit\":\"ns\",\"baseline\":%.1f,"
      "\"ratio\":%.2f,\"goal\":\"<= 100 ns added\",\"met\":%s,\"how\":\"best of 40 alternating "
      "rounds of 50k "
      "calls; baseline: the plain virtual coroutine call; deadline, permission, span and metrics "
      "on\"}\n",
      added, base, Best(routed) / base, added <= 100 ? "true" : "false");
  std::printf(
      "{\"name\":\"router: allocations of a "
      "call\",\"value\":%.4f,\"unit\":\"mallocs\",\"baseline\":0,\"ratio\":0,"
      "\"goal\":\"0 in steady state\",\"met\":%s,\"how\":\"operator new counted over 50k "
      "calls\"}\n",
      allocations_per_call, allocations_per_call < 0.001 ? "true" : "false");
  const double swap_cost = Best(swapped) - Best(still);
  std::printf(
      "{\"name\":\"router: added cost of a call while the table is swapped\",\"value\":%.1f,"
      "\"unit\":\"ns\",\"baseline\":%.1f,\"ratio\":%.2f,\"goal\":\"<= 5 ns added\",\"met\":%s,"
      "\"how\":\"best of 40 alternating rounds of 50k calls, back to back; another "
      "thread swaps the route's table 1000 times a second; baseline: the same without swaps\"}\n",
      swap_cost, Best(still), Best(swapped) / Best(still), swap_cost <= 5 ? "true" : "false");
  return 0;
}

}  // namespace
}  // namespace tessera

int main() { return tessera::Run(); }
