// Profiles of this very program.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/task.h"
#include "net/compress.h"
#include "profiling/heap_watch.h"
#include "profiling/own_profiles.h"
#include "profiling/profile_file.h"
#include "profiling/profile_run.h"
#include "runtime/thread_pool.h"

namespace tessera {
namespace {

// Names that the test looks for; not inlined.
volatile double sink = 0;
[[gnu::noinline]] int CompareSlowly(const void* a, const void* b) {
  double sum = 0;
  for (int i = 1; i < 50; ++i) sum += std::sqrt(static_cast<double>(i));
  sink = sum;
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

[[gnu::noinline]] void SortInLibrary() {
  int numbers[200];
  for (int i = 0; i < 200; ++i) numbers[i] = (i * 7919) % 200;
  std::qsort(numbers, 200, sizeof(int), CompareSlowly);
}

[[gnu::noinline]] void AllocateHere(void* memory, std::size_t size) {
  OnAllocated(memory, size);
  sink = sink + 1;
}

using testing::HasSubstr;

class Busy {
 public:
  Busy()
      : thread_([this] {
          pthread_setname_np(pthread_self(), "busy");
          while (!stop_) SortInLibrary();
        }) {}
  ~Busy() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

v1::ProcessProfile Take(v1::ProfileKind kind, ThreadPool& pool) {
  OwnProfiles profiles(pool);
  v1::TakeProfileRequest request;
  request.set_kind(kind);
  request.set_seconds(1);
  auto profile = SyncWait(profiles.TakeProfile(SystemCtx(), request));
  EXPECT_TRUE(profile.ok()) << profile.status();
  return profile.ok() ? *profile : v1::ProcessProfile();
}

TEST(ReadableName, LeavesOutWhatIsLong) {
  const auto readable = [](std::string_view name) { return ReadableName(name); };
  EXPECT_EQ(readable("main"), "main");
  EXPECT_EQ(readable("_ZN7tessera14LocalRetrieval6SearchENS_3CtxE.resume"),
            "tessera::LocalRetrieval::Search");
  EXPECT_EQ(readable("_ZN7tessera14LocalRetrieval6SearchENS_3CtxE.destroy"),
            "tessera::LocalRetrieval::Search [destroy]");
  EXPECT_EQ(readable("_ZN7tessera12_GLOBAL__N_15ServeEi"), "tessera::Serve");
  EXPECT_EQ(readable("_ZNSt6vectorIiSaIiEE9push_backEOi"), "std::vector<>::push_back");
  EXPECT_EQ(readable("_ZNKSt8functionIFvvEEclEv"), "std::function<>::operator()");
  EXPECT_EQ(readable("_Znwm"), "operator new");
  EXPECT_EQ(readable("_ZN3FoocvbEv"), "Foo::operator bool");
  EXPECT_EQ(readable("_ZN3FoolsEi"), "Foo::operator<<");
  EXPECT_EQ(readable("_Z3maxIiET_S0_S0_"), "max<>");
  EXPECT_EQ(readable("_ZZN3Foo3barEvENKUliE_clEi"), "Foo::bar::{lambda}::operator()");
  EXPECT_EQ(readable("_Znot a name"), "_Znot a name");
}

TEST(CpuProfile, FindsTheFunctionsOfABusyThreadThroughALibrary) {
  ThreadPool pool("profile", 1);
  v1::ProcessProfile profile;
  {
    Busy busy;
    profile = Take(v1::PROFILE_KIND_CPU, pool);
  }
  std::int64_t all = 0, found = 0, nanoseconds = 0;
  for (const v1::ProfileStack& stack : profile.stacks()) {
    all += stack.values(0);
    if (stack.thread() != "busy") continue;
    std::vector<std::string> names;
    for (const auto function : stack.functions())
      names.push_back(profile.functions(static_cast<int>(function)).name());
    const auto inner = std::find(names.begin(), names.end(), "tessera::CompareSlowly");
    const auto outer = std::find(names.begin(), names.end(), "tessera::SortInLibrary");
    // The library's own functions, without frame pointers, are between the two.
    if (inner < outer && outer != names.end() && outer - inner > 1) found += stack.values(0);
    nanoseconds += stack.values(1);
  }
  EXPECT_GT(found, 5);
  EXPECT_GT(found * 2, all) << profile.ShortDebugString().substr(0, 3000);
  EXPECT_LE(nanoseconds, profile.duration_ns() + 2 * ProfileRun::kCpuPeriodNs);
  EXPECT_LT(profile.cut() * 5, static_cast<std::uint64_t>(all));
  const std::string text = ProfileFile({profile}, ProfileFormat::kCollapsed);
  EXPECT_THAT(text, HasSubstr(";busy;"));
  EXPECT_THAT(text, HasSubstr("tessera::SortInLibrary;"));
}

TEST(CpuProfile, OneAtATimeAndAgainAfterIt) {
  auto first = ProfileRun::Start(v1::PROFILE_KIND_CPU);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = ProfileRun::Start(v1::PROFILE_KIND_CPU);
  EXPECT_TRUE(absl::IsAborted(second.status())) << second.status();
  first->reset();
  const auto third = ProfileRun::Start(v1::PROFILE_KIND_CPU);
  EXPECT_TRUE(third.ok()) << third.status();
}

TEST(CpuProfile, WhoGoesAwayEndsIt) {
  ThreadPool pool("profile", 1);
  OwnProfiles profiles(pool);
  v1::TakeProfileRequest request;
  request.set_kind(v1::PROFILE_KIND_CPU);
  request.set_seconds(60);
  const auto gone = SyncWait(
      profiles.TakeProfile(SystemCtx().WithTimeout(std::chrono::milliseconds(50)), request));
  EXPECT_TRUE(absl::IsDeadlineExceeded(gone.status())) << gone.status();
  EXPECT_TRUE(ProfileRun::Start(v1::PROFILE_KIND_CPU).ok());
  request.set_seconds(61);
  EXPECT_TRUE(
      absl::IsInvalidArgument(SyncWait(profiles.TakeProfile(SystemCtx(), request)).status()));
}

TEST(HeapProfile, TellsWhatIsHeldAndWhatWasFreed) {
  EXPECT_TRUE(absl::IsUnimplemented(ProfileRun::Start(v1::PROFILE_KIND_HEAP).status()));
  HeapIsTold();
  auto run = ProfileRun::Start(v1::PROFILE_KIND_HEAP);
  ASSERT_TRUE(run.ok()) << run.status();
  // Addresses that nobody has: 4 KiB each, 400 MiB in all, of which a quarter stays.
  constexpr std::size_t kCount = 100'000, kSize = 4096;
  for (std::size_t i = 0; i < kCount; ++i) {
    void* const memory = reinterpret_cast<void*>((std::uint64_t{1} << 46) + i * kSize);
    AllocateHere(memory, kSize);
    if (i % 4 != 0) OnFreed(memory);
    if (i % 1000 == 0) (*run)->Collect();
  }
  const v1::ProcessProfile profile = (*run)->Finish();
  double values[4] = {};
  bool named = false;
  for (const v1::ProfileStack& stack : profile.stacks()) {
    for (int i = 0; i < 4; ++i) values[i] += static_cast<double>(stack.values(i));
    named = named ||
            profile.functions(static_cast<int>(stack.functions(0))).name().ends_with("TestBody");
  }
  EXPECT_EQ(profile.lost(), 0u);
  EXPECT_TRUE(named) << profile.ShortDebugString().substr(0, 3000);
  // About 780 samples, a quarter of them held: within four standard deviations.
  EXPECT_NEAR(values[0], kCount, kCount * 0.15);
  EXPECT_NEAR(values[1], 1.0 * kCount * kSize, 0.15 * kCount * kSize);
  EXPECT_NEAR(values[2], kCount / 4.0, kCount / 4.0 * 0.3);
  EXPECT_NEAR(values[3], kCount / 4.0 * kSize, kCount / 4.0 * kSize * 0.3);
}

TEST(ProfileFile, IsCompressedAndHasNoAddresses) {
  v1::ProcessProfile profile;
  profile.set_kind(v1::PROFILE_KIND_CPU);
  profile.set_process("inference-0");
  auto& function = *profile.add_functions();
  function.set_name("a;b");
  function.set_module("tessera");
  auto& stack = *profile.add_stacks();
  stack.set_thread("io");
  stack.add_functions(0);
  stack.add_functions(7);  // there is none
  stack.add_values(3);
  stack.add_values(30);
  EXPECT_EQ(ProfileFile({profile}, ProfileFormat::kCollapsed), "inference-0;io;a,b 3\n");
  const auto file =
      Decompress(Coding::kGzip, ProfileFile({profile}, ProfileFormat::kPprof), 1 << 20);
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(*file, HasSubstr("inference-0"));
  EXPECT_FALSE(ParseProfileFormat("svg").ok());
}

}  // namespace
}  // namespace tessera
