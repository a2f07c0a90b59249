#pragma once
// Spans of one request in this process: recorded always and cheaply, kept or dropped when the
// request has ended (trace_recorder.h).

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ctx.h"

namespace tessera {

class Histogram;
class RouteTail;

/// OpenTelemetry's kinds, by its numbers.
enum class SpanKind : std::uint8_t {
  kInternal = 1,
  kServer = 2,
  kClient = 3,
  kProducer = 4,
  kConsumer = 5
};

/// A text that lives as long as the process: for span names and attribute keys that are made at
/// start-up. Each text is kept once. Thread-safe; not for the hot path.
std::string_view InternedText(std::string_view text);

/// A status that is the server's own fault, as OpenTelemetry counts errors of servers: unknown,
/// deadline, unimplemented, internal, unavailable, data loss.
bool IsServerFault(absl::StatusCode code);

/// One span. Times are ticks of CycleClock.
struct SpanRecord {
  std::string_view name;  ///< of static storage, or interned
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  std::uint64_t start = 0;
  std::uint64_t end = 0;  ///< 0: it is open
  SpanKind kind = SpanKind::kInternal;
  absl::StatusCode code = absl::StatusCode::kOk;
  bool failed = false;
};

/// One attribute of a span, by the span's index.
struct SpanAttributeRecord {
  SpanAttributeRecord() : integer(0) {}
  enum class Kind : std::uint8_t { kInteger, kNumber, kBoolean, kText };
  struct Place {
    std::uint32_t at, size;
  };
  std::string_view key;  ///< of static storage, or interned
  union {
    std::int64_t integer;
    double number;
    bool boolean;
    Place text;
  };
  std::uint16_t span = 0;
  Kind kind = Kind::kInteger;
};

/// Attributes of a request's first span. Since its beginning: when the first item of a streamed
/// reply was there, and the first text of an answer, streamed or not.
inline constexpr std::string_view kFirstItemAttribute = "tessera.first_item_ms";
inline constexpr std::string_view kFirstTextAttribute = "tessera.first_text_ms";
/// Of a request that the log of slow ones is to tell of: what was too long, and what it may be.
inline constexpr std::string_view kSlowAttribute = "tessera.slow_ms";
inline constexpr std::string_view kSlowLimitAttribute = "tessera.slow_limit_ms";

/// Why a trace is kept.
enum class TraceReason : std::uint8_t {
  kNone,     ///< it is not
  kSampled,  ///< chosen at its beginning; its callers and the exporter have it too
  kError,
  kSlow,
  kRare,    ///< the first of its route for a while
  kRecent,  ///< there was room for it
};
std::string_view Name(TraceReason reason);

/// The spans of one request in this process, up to bounds: what is beyond is counted. The first
/// span that begins is the root here; when it ends, the recorder decides what becomes of all of
/// them. Thread-safe: steps that run side by side record side by side.
class TraceSpans final : public std::enable_shared_from_this<TraceSpans> {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::size_t kSpansMax = 512;
  static constexpr std::size_t kAttributesMax = 4096;
  static constexpr std::size_t kTextMax = 128 << 10;
  static constexpr std::size_t kValueMax = 1024;  ///< bytes of one text

  /// `platform_parent`: another process of the platform has the trace's beginning.
  TraceSpans(TraceId trace, bool platform_parent);
  static std::shared_ptr<TraceSpans> Make(TraceId trace, bool platform_parent);

  const TraceId& trace() const { return trace_; }
  bool platform_parent() const { return platform_parent_; }
  /// Of the trace here, in ticks.
  std::uint64_t start_ticks() const { return start_ticks_; }
  /// Says on the root how long it was until now, in milliseconds.
  void SetElapsed(std::string_view key);

  /// The index of the new span; kNone when there are too many. `start`: ticks, 0 for now.
  std::uint32_t Begin(std::string_view name, SpanKind kind, std::uint64_t parent,
                      std::uint64_t start = 0);
  /// The id that Begin gave to a span. 0 of kNone.
  std::uint64_t IdOf(std::uint32_t span) const;
  /// The first call counts. Ending the root hands all of them to the recorder.
  void End(std::uint32_t span, absl::StatusCode code);
  /// As End(0), where something else than `code` says what is an error.
  void EndRoot(absl::StatusCode code, bool failed);
  /// Who judges, at the root's end, whether it was slow or rare. Both live until then.
  void SetTail(RouteTail* tail, const Histogram* seconds) {
    tail_ = tail;
    seconds_ = seconds;
  }
  /// The root's kind and name, once they are known.
  void Rename(std::uint32_t span, std::string_view name, SpanKind kind);

  void Set(std::uint32_t span, std::string_view key, std::int64_t value);
  void Set(std::uint32_t span, std::string_view key, int value) {
    Set(span, key, std::int64_t{value});
  }
  void Set(std::uint32_t span, std::string_view key, std::uint32_t value) {
    Set(span, key, std::int64_t{value});
  }
  void Set(std::uint32_t span, std::string_view key, std::uint64_t value) {
    Set(span, key, static_cast<std::int64_t>(value));
  }
  void Set(std::uint32_t span, std::string_view key, double value);
  void Set(std::uint32_t span, std::string_view key, bool value);
  /// The text is copied, and cut at kValueMax.
  void Set(std::uint32_t span, std::string_view key, std::string_view value);
  void Set(std::uint32_t span, std::string_view key, const char* value) {
    Set(span, key, std::string_view(value));
  }
  void Set(std::uint32_t span, std::string_view key, const std::string& value) {
    Set(span, key, std::string_view(value));
  }

  /// What was recorded so far, for whoever keeps it.
  struct Copy {
    std::vector<SpanRecord> spans;
    std::vector<std::pair<SpanAttributeRecord, std::string>> attributes;  ///< texts beside
    std::uint32_t dropped = 0;  ///< spans and attributes beyond the bounds
    std::uint64_t start_ticks = 0;
    std::int64_t start_us = 0;  ///< wall clock at start_ticks
  };
  Copy Read() const;
  /// Spans that have begun and not ended.
  std::uint32_t open() const { return open_.load(std::memory_order_relaxed); }
  /// Any span failed by the server's own fault.
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  bool ended() const { return ended_.load(std::memory_order_relaxed); }

 private:
  friend class TraceRecorder;
  class Hold;
  static constexpr std::size_t kInlineSpans = 16;
  static constexpr std::size_t kInlineAttributes = 40;
  static constexpr std::size_t kInlineText = 512;

  SpanRecord& LockedSpan(std::uint32_t span);
  SpanAttributeRecord* LockedAttribute(std::uint32_t span, std::string_view key);
  bool LockedEnd(std::uint32_t span, absl::StatusCode code, bool failed);

  const TraceId trace_;
  const std::uint64_t seed_;
  const std::uint64_t start_ticks_;
  const std::int64_t start_us_;
  const bool platform_parent_;
  mutable std::atomic<bool> locked_{false};
  std::atomic<bool> failed_{false};
  std::atomic<bool> ended_{false};
  std::atomic<std::uint32_t> open_{0};
  RouteTail* tail_ = nullptr;
  const Histogram* seconds_ = nullptr;
  SteadyTime ended_at_;  // the recorder's
  std::uint32_t spans_ = 0;
  std::uint32_t attributes_ = 0;
  std::uint32_t text_ = 0;
  std::uint32_t dropped_ = 0;
  std::vector<SpanRecord> more_spans_;
  std::vector<SpanAttributeRecord> more_attributes_;
  std::string more_text_;
  // Written before they are read: nothing clears them.
  union {
    std::array<SpanRecord, kInlineSpans> inline_spans_;
  };
  union {
    std::array<SpanAttributeRecord, kInlineAttributes> inline_attributes_;
  };
  std::array<char, kInlineText> inline_text_;
};

/// A span that lasts as long as this does. Movable. Does nothing where nothing is recorded. Only
/// one strand of a request uses it at a time.
class SpanScope {
 public:
  SpanScope() = default;
  /// Begins below `ctx`'s span, and becomes the parent of what is called with `ctx`.
  SpanScope(Ctx& ctx, std::string_view name, SpanKind kind = SpanKind::kInternal);
  SpanScope(SpanScope&& other) noexcept
      : spans_(std::move(other.spans_)), span_(std::exchange(other.span_, TraceSpans::kNone)) {}
  SpanScope& operator=(SpanScope&& other) noexcept {
    End(absl::StatusCode::kOk);
    spans_ = std::move(other.spans_);
    span_ = std::exchange(other.span_, TraceSpans::kNone);
    return *this;
  }
  ~SpanScope() { End(absl::StatusCode::kCancelled); }

  explicit operator bool() const { return spans_ != nullptr; }
  template <class Value>
  void Set(std::string_view key, const Value& value) {
    if (spans_) spans_->Set(span_, key, value);
  }
  /// The first call counts; dropped without it, the work counts as cancelled.
  void End(absl::StatusCode code) {
    if (spans_) std::exchange(spans_, nullptr)->End(span_, code);
  }
  void End(const Status& status) { End(status.code()); }

 private:
  std::shared_ptr<TraceSpans> spans_;
  std::uint32_t span_ = TraceSpans::kNone;
};

}  // namespace tessera
