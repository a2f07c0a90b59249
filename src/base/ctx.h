#pragma once
// Ctx: what a call carries besides its request. Cheap to copy (one reference count).

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"

namespace tessera {

/// Who calls. An empty id is nobody: only methods marked public accept it.
struct Principal {
  std::string id;
  std::vector<std::string> scopes;  ///< what they may; "*" is everything
  bool MayUse(std::string_view scope) const;
};

/// W3C trace context (https://www.w3.org/TR/trace-context/) of a request.
struct TraceId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  bool sampled = false;
};

class TraceSpans;

/// What stays the same for a whole request, wherever it travels.
struct RequestInfo {
  std::string request_id;
  std::string tenant;
  Principal principal;
  TraceId trace;
  std::string trace_state;  ///< W3C tracestate, handed on as it came
  std::string baggage;      ///< W3C baggage, handed on as it came
  /// Where spans of this process are recorded (telemetry/trace.h); null: nowhere.
  std::shared_ptr<TraceSpans> spans;
};

/// Deadline, cancellation, identity and trace of a call. A class with constructors, never an
/// aggregate (STYLE C4). Immutable but for the With… copies; safe to share between threads. `Ctx()`
/// is nobody, without a deadline.
class Ctx {
 public:
  Ctx() = default;
  Ctx(std::shared_ptr<const RequestInfo> info, CancelToken cancel)
      : info_(std::move(info)), cancel_(std::move(cancel)) {}

  SteadyTime deadline() const { return deadline_; }
  bool has_deadline() const { return deadline_ != SteadyTime::max(); }
  const CancelToken& cancel() const { return cancel_; }
  const RequestInfo& info() const { return info_ ? *info_ : Nobody(); }
  const Principal& principal() const { return info().principal; }
  /// The span that a call made with this Ctx has as its parent; 0 is the root.
  std::uint64_t span_id() const { return span_id_; }

  /// OK while work is wanted; else CANCELLED or DEADLINE_EXCEEDED (or the reason given to the
  /// source).
  Status Check() const;

  /// The earlier of the two deadlines holds.
  Ctx WithDeadline(SteadyTime deadline) const;
  Ctx WithTimeout(Duration timeout) const { return WithDeadline(Now() + timeout); }
  Ctx WithCancel(CancelToken cancel) const;
  Ctx WithSpan(std::uint64_t span_id) const;

  void TightenDeadline(SteadyTime deadline) {
    if (deadline < deadline_) deadline_ = deadline;
  }
  void EnterSpan(std::uint64_t span_id) { span_id_ = span_id; }

 private:
  static const RequestInfo& Nobody();

  std::shared_ptr<const RequestInfo> info_;
  CancelToken cancel_;
  SteadyTime deadline_ = SteadyTime::max();
  std::uint64_t span_id_ = 0;
};

/// A Ctx that may do everything: for tests, start-up and the platform's own background work.
Ctx SystemCtx(CancelToken cancel = {});

}  // namespace tessera
