// What a call through the router costs beside a plain virtual coroutine call. Prints one JSON line
// a figure.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "rpc/route.h"
#include "tessera/toy/toy_rpc.tessera.h"

namespace {
std::size_t allocations = 0;  // of this program's only thread
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

int Run() {
  EmptyToy plain;
  RouteTable table;
  ToyRouter router(table);
  table.Set(router.route().id(),
            {WeightedInstance{MakeInstance<Toy>("toy", std::make_shared<EmptyToy>()), 1}});
  std::vector<double> direct, routed;
  for (int round = 0; round < 40; ++round) {  // in turn, so that both see the same machine
    direct.push_back(SyncWait(NanosecondsPerCall(&plain)));
    routed.push_back(SyncWait(NanosecondsPerCall(&router)));
  }
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
  return 0;
}

}  // namespace
}  // namespace tessera

int main() { return tessera::Run(); }
