#pragma once
// What happens around every call, local or remote: deadline, permission, trace span, metrics.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/contract.h"
#include "base/ctx.h"
#include "telemetry/metrics.h"
#include "telemetry/trace.h"

namespace tessera {

/// Decides whether a call may be made. Called around every call: must be quick and thread-safe.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual Status Check(const Ctx& ctx, const MethodInfo& method) const = 0;
};

/// The caller's principal must hold the method's scope, or "*"; public methods are for everybody.
class ScopeAuthorizer final : public Authorizer {
 public:
  Status Check(const Ctx& ctx, const MethodInfo& method) const override;
};

struct MethodFiguresOf;

/// Figures of one method. Thread-safe.
class CallMetrics {
 public:
  static constexpr std::size_t kCodes = 17;  // of absl::StatusCode

  void Record(absl::StatusCode code, std::uint64_t nanoseconds, const TraceId& trace = {},
              std::uint64_t span = 0) {
    seconds_.Observe(nanoseconds, trace, span);
    if (code != absl::StatusCode::kOk) [[unlikely]] {
      errors_[static_cast<std::size_t>(code) % kCodes].fetch_add(1, std::memory_order_relaxed);
    }
  }
  /// A call that was counted as begun well has ended otherwise.
  void RecordEnd(absl::StatusCode code) {
    errors_[static_cast<std::size_t>(code) % kCodes].fetch_add(1, std::memory_order_relaxed);
  }
  std::uint64_t errors(absl::StatusCode code) const {
    return errors_[static_cast<std::size_t>(code) % kCodes].load(std::memory_order_relaxed);
  }
  Histogram::Snapshot seconds() const { return seconds_.snapshot(); }

 private:
  friend void AppendCallFigures(std::string& out, std::span<const MethodFiguresOf> methods);
  Histogram seconds_;
  std::array<std::atomic<std::uint64_t>, kCodes> errors_{};
};

/// What callers of one service saw of a method of another.
struct MethodFiguresOf {
  std::string_view caller;
  std::string_view method;  ///< MethodInfo::full_name
  const CallMetrics* metrics = nullptr;
};
/// As exposition: tessera_call_seconds{caller,method="tessera.v1.Retrieval.Search"}, whose count is
/// that of the calls, and tessera_call_errors_total{caller,method,code}. Methods that were never
/// called are left out.
void AppendCallFigures(std::string& out, std::span<const MethodFiguresOf> methods);

/// One call, from Begin to End. Not thread-safe; movable into a stream's wrapper.
class CallScope {
 public:
  /// `nanoseconds_per_tick` of CycleClock.
  CallScope(const MethodInfo& method, CallMetrics& metrics, double nanoseconds_per_tick)
      : method_(&method), metrics_(&metrics), nanoseconds_per_tick_(nanoseconds_per_tick) {}

  /// Refuses a call that may not be made or comes too late; else gives ctx its span and, unless the
  /// method streams, its deadline.
  Status Begin(Ctx& ctx, const Authorizer& authorizer);
  /// Counts the call in the instance's own figures too; they outlive the scope.
  void Watch(CallMetrics* figures) { watched_ = figures; }
  /// A stream has sent its first item: that is when the instance's figures count it.
  void FirstItem();
  /// Counts the call; the first call of End counts.
  void End(absl::StatusCode code);

  const MethodInfo& method() const { return *method_; }

 private:
  void BeginSpan(Ctx& ctx);
  std::uint64_t Elapsed() const;

  const MethodInfo* method_;
  CallMetrics* metrics_;
  CallMetrics* watched_ = nullptr;
  bool first_item_ = false;
  double nanoseconds_per_tick_;
  std::uint64_t start_ = CycleClock::Now();
  bool ended_ = false;
  std::shared_ptr<TraceSpans> spans_;  // null: nothing is recorded
  std::uint32_t span_ = TraceSpans::kNone;
};

}  // namespace tessera
