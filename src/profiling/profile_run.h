#pragma once
// One profile of this process, from its start to what is told of it.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "profiling/cpu_timers.h"
#include "profiling/heap_watch.h"
#include "profiling/stack_walker.h"
#include "tessera/v1/profiles.pb.h"

namespace tessera {

/// Watching ends when it is destroyed. Not thread-safe.
class ProfileRun {
 public:
  static constexpr std::int64_t kCpuPeriodNs = 10'000'000;  ///< 100 samples a second

  /// ABORTED while there is another one in the process; UNIMPLEMENTED where this kind cannot be.
  static Result<std::unique_ptr<ProfileRun>> Start(v1::ProfileKind kind);
  ~ProfileRun();
  ProfileRun(const ProfileRun&) = delete;

  /// To be called every few hundredths of a second: what was sampled does not find room else.
  void Collect();
  /// Ends watching. Reads the files of the program and its libraries.
  v1::ProcessProfile Finish();

 private:
  struct Stack {
    std::string thread;
    std::vector<std::uint64_t> calls;
    auto operator<=>(const Stack&) const = default;
  };
  explicit ProfileRun(v1::ProfileKind kind);
  void Take(const SampleRing::Slot& slot);
  const std::string& NameOf(std::int32_t thread);
  void TellHeap(v1::ProcessProfile& profile);
  void TellCpu(v1::ProcessProfile& profile);

  const v1::ProfileKind kind_;
  const std::int64_t started_ms_;
  const SteadyTime started_;
  const std::uint32_t session_;
  StackWalker walker_;
  std::map<Stack, std::uint32_t> stacks_;       // place in counts_
  std::vector<std::uint64_t> counts_;           // CPU samples
  std::vector<std::uint32_t> stack_of_sample_;  // of the heap's, 1 more; 0: it was lost
  std::map<std::int32_t, std::string> threads_;
  std::uint64_t lost_ = 0;
  std::uint64_t cut_ = 0;
  std::uint32_t updates_ = 0;
  std::optional<CpuTimers> timers_;
  std::optional<HeapWatch> heap_;
};

}  // namespace tessera
