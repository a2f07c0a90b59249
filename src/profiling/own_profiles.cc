#include "profiling/own_profiles.h"

#include <chrono>
#include <memory>
#include <utility>

#include "profiling/profile_run.h"
#include "runtime/thread_pool.h"
#include "runtime/timer.h"

namespace tessera {
namespace {
constexpr Duration kLook = std::chrono::milliseconds(20);
constexpr std::uint32_t kSecondsMax = 60;
}  // namespace

Task<Result<v1::ProcessProfile>> OwnProfiles::TakeProfile(Ctx ctx, v1::TakeProfileRequest request) {
  if (request.seconds() == 0 || request.seconds() > kSecondsMax)
    co_return absl::InvalidArgumentError("seconds: from 1 to 60");
  if (request.kind() != v1::PROFILE_KIND_CPU && request.kind() != v1::PROFILE_KIND_HEAP)
    co_return absl::InvalidArgumentError("kind: cpu or heap");
  const auto start = [&request] { return ProfileRun::Start(request.kind()); };
  CO_TRY(const std::unique_ptr<ProfileRun> run, co_await RunOn(blocking_, start));
  const SteadyTime end = Now() + std::chrono::seconds(request.seconds());
  // Whoever goes away ends it.
  while (Now() < end) {
    CO_TRY(co_await SleepFor(ctx, std::min<Duration>(kLook, end - Now())));
    co_await RunOn(blocking_, [&run] { run->Collect(); });
  }
  co_return co_await RunOn(blocking_, [&run] { return run->Finish(); });
}

}  // namespace tessera
