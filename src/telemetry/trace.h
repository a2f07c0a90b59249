#pragma once
// Spans of sampled requests. Kept in a bounded ring; an exporter drains it.

#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/ctx.h"

namespace tessera {

/// One finished call. Names are of static storage.
struct Span {
  TraceId trace;
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  std::string_view name;
  std::int64_t end_ms = 0;  ///< wall clock
  std::uint64_t duration_ns = 0;
  absl::StatusCode code = absl::StatusCode::kOk;
};

/// The last spans of the process; the oldest is overwritten. Thread-safe.
class SpanRing {
 public:
  explicit SpanRing(std::size_t capacity) : capacity_(capacity) {}
  static SpanRing& Process();

  void Add(const Span& span);
  /// What was added since the last call, oldest first.
  std::vector<Span> Drain();

 private:
  const std::size_t capacity_;
  std::mutex mutex_;
  std::vector<Span> spans_;
  std::size_t next_ = 0;
};

}  // namespace tessera
