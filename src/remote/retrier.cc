#include "remote/retrier.h"

#include <algorithm>

#include "base/fault.h"
#include "base/ids.h"
#include "net/http_error.h"

namespace tessera {
namespace {

// Of one call: endpoints that cannot be reached, or refuse, take no attempt from it.
constexpr int kUnsentMax = 20;
// A peer that wants to be left alone for longer is not waited for.
constexpr Duration kHintMax = std::chrono::seconds(10);
// A deadline that passes sooner says nothing of the server.
constexpr Duration kSlow = std::chrono::seconds(1);

bool MayHelp(const Status& status, bool cut) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return true;
    case absl::StatusCode::kResourceExhausted:
      return RetryAfterOf(status) > 0;
    case absl::StatusCode::kDeadlineExceeded:
      return cut;
    default:
      return false;
  }
}

}  // namespace

Outcome Judge(const Status& status, Duration lasted, bool cut) {
  if (status.ok()) return Outcome::kGood;
  switch (FateOf(status)) {
    case CallFate::kUnreached:
      return Outcome::kUnreached;
    case CallFate::kRefused:
      return Outcome::kNeutral;
    case CallFate::kLost:
      return Outcome::kLost;
    case CallFate::kAnswered:
      break;
  }
  // One broken model must not shut the way to all the others.
  if (ErrorCodeOf(status) == kUpstreamFailed) return Outcome::kGood;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return RetryAfterOf(status) > 0 ? Outcome::kBusy : Outcome::kFault;
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return Outcome::kFault;
    case absl::StatusCode::kDeadlineExceeded:
      return cut || lasted >= kSlow ? Outcome::kFault : Outcome::kNeutral;
    case absl::StatusCode::kResourceExhausted:
      return Outcome::kBusy;
    case absl::StatusCode::kCancelled:
      return Outcome::kNeutral;
    default:
      return Outcome::kGood;
  }
}

// Full jitter: anything up to a bound that doubles.
Duration Retrier::Backoff(int attempt) const {
  const RetryConfig& retry = state_.config.policy.retry;
  const Duration bound =
      std::min(retry.backoff * (std::int64_t{1} << std::min(attempt, 20)), retry.backoff_max);
  return bound / 1000 * static_cast<int>(RandomId() % 1000);
}

std::optional<Duration> Retrier::Next(const Status& status, bool cut, const Ctx& ctx,
                                      const Tried& tried) {
  const SteadyTime now = Now();
  if (state_.closed || ctx.cancel().cancelled() || now >= ctx.deadline()) return std::nullopt;
  const CallFate fate = FateOf(status);
  if (WasNotSent(fate)) {
    if (++unsent_ > kUnsentMax) return std::nullopt;
    state_.retries.fetch_add(1, std::memory_order_relaxed);
    // The first goes elsewhere at once: this endpoint is left out now, or drains.
    return unsent_ == 1 ? Duration::zero() : Backoff(unsent_ - 2);
  }
  if (!idempotent_ || !MayHelp(status, cut)) return std::nullopt;
  if (++sent_ >= state_.config.policy.retry.attempts_max) return std::nullopt;
  Duration pause = Backoff(sent_ - 1);
  const Duration hint = std::chrono::seconds(RetryAfterOf(status));
  if (hint > Duration::zero() && !state_.HasAnother(tried)) {
    if (hint > kHintMax) return std::nullopt;
    pause += hint;
  }
  if (ctx.has_deadline() && now + pause >= ctx.deadline()) return std::nullopt;
  // A peer that died costs each of its calls one retry, whatever the budget: that is no overload.
  const bool free = fate == CallFate::kLost && !std::exchange(lost_, true);
  if (!free && !state_.budget.Withdraw(now)) return std::nullopt;
  state_.retries.fetch_add(1, std::memory_order_relaxed);
  return pause;
}

}  // namespace tessera
