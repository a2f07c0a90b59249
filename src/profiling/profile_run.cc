#include "profiling/profile_run.h"

#include <atomic>
#include <cmath>
#include <fstream>
#include <unordered_map>
#include <utility>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kStacksMax = 20'000;
constexpr std::uint32_t kLooksBetweenUpdates = 5;
// Between every two coroutines; it says nothing.
constexpr std::string_view kPlumbing = "tessera::internal::TaskPromiseBase::";

std::atomic<bool> running;
std::atomic<std::uint32_t> sessions;
SampleRing ring;  // in zeroed memory

/// Gathers stacks by the names of their functions.
class NamedStacks {
 public:
  NamedStacks(StackWalker& walker, v1::ProcessProfile& profile)
      : walker_(walker), profile_(profile) {}

  void Add(const std::string& thread, const std::vector<std::uint64_t>& calls,
           const std::vector<std::int64_t>& values) {
    std::vector<std::uint32_t> functions;
    functions.reserve(calls.size());
    for (const std::uint64_t call : calls) {
      const std::uint32_t function = FunctionAt(call);
      const std::string& name = profile_.functions(static_cast<int>(function)).name();
      if (!name.starts_with(kPlumbing)) functions.push_back(function);
    }
    const auto [at, first] = known_.try_emplace({thread, functions}, profile_.stacks_size());
    if (first) {
      v1::ProfileStack& stack = *profile_.add_stacks();
      stack.set_thread(thread);
      stack.mutable_functions()->Add(functions.begin(), functions.end());
      stack.mutable_values()->Add(values.begin(), values.end());
      return;
    }
    v1::ProfileStack& stack = *profile_.mutable_stacks(at->second);
    for (std::size_t i = 0; i < values.size(); ++i)
      stack.set_values(static_cast<int>(i), stack.values(static_cast<int>(i)) + values[i]);
  }

 private:
  std::uint32_t FunctionAt(std::uint64_t address) {
    const auto known = by_address_.find(address);
    if (known != by_address_.end()) return known->second;
    const LoadedModule* const module = walker_.modules().Find(address);
    std::string name;
    if (module != nullptr) {
      auto& symbols = symbols_[module];
      if (!symbols) symbols = std::make_unique<ModuleSymbols>(*module);
      name = ReadableName(symbols->NameAt(address));
    }
    const std::string file = module == nullptr ? "" : module->name;
    if (name.empty()) name = StrCat("[", file.empty() ? "made at run time" : file, "]");
    const auto [at, first] =
        by_name_.try_emplace({name, file}, static_cast<std::uint32_t>(profile_.functions_size()));
    if (first) {
      v1::ProfileFunction& function = *profile_.add_functions();
      function.set_name(std::move(name));
      function.set_module(file);
    }
    by_address_.emplace(address, at->second);
    return at->second;
  }

  StackWalker& walker_;
  v1::ProcessProfile& profile_;
  std::unordered_map<std::uint64_t, std::uint32_t> by_address_;
  std::map<std::pair<std::string, std::string>, std::uint32_t> by_name_;
  std::map<std::pair<std::string, std::vector<std::uint32_t>>, int> known_;
  std::map<const LoadedModule*, std::unique_ptr<ModuleSymbols>> symbols_;
};

}  // namespace

Result<std::unique_ptr<ProfileRun>> ProfileRun::Start(v1::ProfileKind kind) {
  if (!CanCaptureStacks())
    return absl::UnimplementedError("profiles are taken on x86-64 processors only");
  const bool heap = kind == v1::PROFILE_KIND_HEAP;
  if (heap && !HeapTells())
    return absl::UnimplementedError(
        "this build has an allocator of its own (a sanitizer's), which cannot be watched");
  if (running.exchange(true))
    return absl::AbortedError(
        "another profile of this process is being taken; there is one at a time");
  std::unique_ptr<ProfileRun> run(new ProfileRun(kind));
  if (heap) {
    run->heap_.emplace(ring, run->session_);
  } else {
    run->timers_.emplace(ring, run->session_, kCpuPeriodNs);
    TRY(run->timers_->Update());
  }
  return run;
}

ProfileRun::ProfileRun(v1::ProfileKind kind)
    : kind_(kind), started_ms_(WallMillis()), started_(Now()), session_(++sessions) {
  ring.Drain([](const SampleRing::Slot&) {});
  ring.TakeLost();
}

ProfileRun::~ProfileRun() {
  timers_.reset();
  heap_.reset();
  running = false;
}

const std::string& ProfileRun::NameOf(std::int32_t thread) {
  const auto [at, first] = threads_.try_emplace(thread);
  if (first) {
    std::ifstream file(StrCat("/proc/self/task/", thread, "/comm"));
    std::getline(file, at->second);
    if (at->second.empty()) at->second = "ended";
  }
  return at->second;
}

void ProfileRun::Take(const SampleRing::Slot& slot) {
  if (slot.session != session_) return;
  bool whole = false;
  std::vector<std::uint64_t> calls = walker_.Walk(slot.stack, &whole);
  if (!whole) ++cut_;
  const bool heap = kind_ == v1::PROFILE_KIND_HEAP;
  // The allocator's own function says nothing.
  if (heap && calls.size() > 1) calls.erase(calls.begin());
  Stack stack{NameOf(slot.thread), std::move(calls)};
  if (stacks_.size() == kStacksMax && !stacks_.contains(stack)) {
    ++lost_;
    return;
  }
  const auto [at, first] =
      stacks_.try_emplace(std::move(stack), static_cast<std::uint32_t>(stacks_.size()));
  if (heap) {
    if (stack_of_sample_.size() <= slot.index) stack_of_sample_.resize(slot.index + 1);
    stack_of_sample_[slot.index] = at->second + 1;
  } else {
    counts_.resize(stacks_.size());
    counts_[at->second] += slot.weight;
  }
}

void ProfileRun::Collect() {
  ring.Drain([this](const SampleRing::Slot& slot) { Take(slot); });
  lost_ += ring.TakeLost();
  if (timers_ && ++updates_ % kLooksBetweenUpdates == 0) const Status ignored = timers_->Update();
}

v1::ProcessProfile ProfileRun::Finish() {
  timers_.reset();
  if (heap_) heap_->Stop();
  const Duration took = Now() - started_;
  Collect();
  v1::ProcessProfile profile;
  profile.set_kind(kind_);
  profile.set_started_ms(started_ms_);
  profile.set_duration_ns(took.count());
  if (kind_ == v1::PROFILE_KIND_HEAP) {
    TellHeap(profile);
  } else {
    TellCpu(profile);
  }
  profile.set_lost(lost_);
  profile.set_cut(cut_);
  return profile;
}

void ProfileRun::TellCpu(v1::ProcessProfile& profile) {
  profile.set_period(kCpuPeriodNs);
  NamedStacks named(walker_, profile);
  for (const auto& [stack, place] : stacks_) {
    const auto count = static_cast<std::int64_t>(counts_[place]);
    named.Add(stack.thread, stack.calls, {count, count * kCpuPeriodNs});
  }
}

void ProfileRun::TellHeap(v1::ProcessProfile& profile) {
  profile.set_period(HeapWatch::kPeriod);
  std::vector<std::array<double, 4>> sums(stacks_.size());
  for (std::uint32_t i = 0; i < stack_of_sample_.size(); ++i) {
    if (stack_of_sample_[i] == 0) continue;
    const HeapWatch::Sample sample = HeapWatch::Get(i);
    const auto size = static_cast<double>(sample.size);
    // How many of this size were passed over for the one that was taken.
    const double count = 1 / -std::expm1(-size / static_cast<double>(HeapWatch::kPeriod));
    auto& sum = sums[stack_of_sample_[i] - 1];
    sum[0] += count;
    sum[1] += count * size;
    if (sample.freed) continue;
    sum[2] += count;
    sum[3] += count * size;
  }
  NamedStacks named(walker_, profile);
  for (const auto& [stack, place] : stacks_) {
    std::vector<std::int64_t> values;
    for (const double sum : sums[place]) values.push_back(std::llround(sum));
    named.Add(stack.thread, stack.calls, values);
  }
}

}  // namespace tessera
