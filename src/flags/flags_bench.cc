// What a service pays to ask a flag. Prints one JSON line a figure.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/clock.h"
#include "flags/flags.h"

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

constexpr int kCalls = 200'000;

v1::Flag Switch(std::string key) {
  v1::Flag flag;
  flag.set_key(std::move(key));
  flag.set_type(v1::FLAG_TYPE_BOOLEAN);
  (*flag.mutable_variants())["on"] = "true";
  (*flag.mutable_variants())["off"] = "false";
  flag.set_default_variant("off");
  return flag;
}

void FollowFlags() {
  v1::SetFlagsRequest all;
  all.set_version(1);
  for (int i = 0; i < 100; ++i) *all.add_flags() = Switch(StrCat("other.", i));
  *all.add_flags() = Switch("plain");
  v1::Flag split = Switch("split");
  v1::FlagRule& staff = *split.add_rules();
  staff.add_tenants("staff");
  staff.set_variant("on");
  v1::FlagRule& part = *split.add_rules();
  for (const auto& [variant, weight] : {std::pair("on", 12.5), std::pair("off", 87.5)}) {
    part.add_split()->set_variant(variant);
    part.mutable_split()->rbegin()->set_weight(weight);
  }
  *all.add_flags() = split;
  auto set = FlagSet::Make(all);
  CHECK(set.ok());
  SetCurrentFlags(*std::move(set));
}

double Nanoseconds(const Ctx& ctx, std::string_view key) {
  int on = 0;
  const SteadyTime start = Now();
  for (int i = 0; i < kCalls; ++i) on += BoolFlag(ctx, key, true) ? 1 : 0;
  const double time = std::chrono::duration<double, std::nano>(Now() - start).count();
  CHECK(on == 0 || on == kCalls);
  return time / kCalls;
}

void Print(const char* name, const Ctx& ctx, std::string_view key) {
  double best = 1e9;
  for (int round = 0; round < 20; ++round) best = std::min(best, Nanoseconds(ctx, key));
  const std::size_t before = allocations;
  Nanoseconds(ctx, key);
  const std::size_t made = allocations - before;
  std::printf(
      "{\"name\":\"flags: %s\",\"value\":%.1f,\"unit\":\"ns\",\"baseline\":0,\"ratio\":0,"
      "\"goal\":\"<= 1000 ns, 0 allocations\",\"met\":%s,\"how\":\"best of 20 rounds of 200k "
      "evaluations among 102 flags; %zu allocations in a round\"}\n",
      name, best, best <= 1000 && made == 0 ? "true" : "false", made);
}

int Run() {
  FollowFlags();
  const Ctx ctx = SystemCtx();
  Print("a boolean flag without rules", ctx, "plain");
  Print("a boolean flag with a rule and a split", ctx, "split");
  return 0;
}

}  // namespace
}  // namespace tessera

int main() { return tessera::Run(); }
