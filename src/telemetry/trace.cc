#include "telemetry/trace.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <deque>
#include <mutex>
#include <unordered_set>

#include <sched.h>

#include "base/fault.h"
#include "base/frame_pool.h"
#include "base/ids.h"
#include "telemetry/trace_recorder.h"

namespace tessera {
namespace {

// The output function of SplitMix64: distinct for distinct inputs.
std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::int64_t WallMicros() {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

/// Memory of the threads' own pools.
template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class U>
  explicit PoolAllocator(const PoolAllocator<U>&) {}
  T* allocate(std::size_t count) { return static_cast<T*>(AllocateFrame(count * sizeof(T))); }
  void deallocate(T* at, std::size_t count) { FreeFrame(at, count * sizeof(T)); }
  bool operator==(const PoolAllocator&) const { return true; }
};

std::string_view CutText(std::string_view text) {
  if (text.size() <= TraceSpans::kValueMax) return text;
  std::size_t size = TraceSpans::kValueMax;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace

std::string_view InternedText(std::string_view text) {
  static std::mutex mutex;
  static auto* const texts = new std::unordered_set<std::string>;
  std::lock_guard lock(mutex);
  return *texts->emplace(text).first;
}

bool IsServerFault(absl::StatusCode code) {
  return IsFault(code) || code == absl::StatusCode::kUnimplemented;
}

std::string_view Name(TraceReason reason) {
  static constexpr std::string_view kNames[] = {"", "sampled", "error", "slow", "rare", "recent"};
  return kNames[static_cast<std::size_t>(reason)];
}

/// The lock: held for a few nanoseconds, and seldom wanted by two at once.
class TraceSpans::Hold {
 public:
  explicit Hold(const TraceSpans& spans) : locked_(spans.locked_) {
    for (int tries = 0; locked_.exchange(true, std::memory_order_acquire); ++tries) {
      if (tries > 64) ::sched_yield();
    }
  }
  ~Hold() { locked_.store(false, std::memory_order_release); }
  Hold(const Hold&) = delete;

 private:
  std::atomic<bool>& locked_;
};

TraceSpans::TraceSpans(TraceId trace, bool platform_parent)
    : trace_(trace),
      seed_(RandomId()),
      start_ticks_(CycleClock::Now()),
      start_us_(WallMicros()),
      platform_parent_(platform_parent) {}

std::shared_ptr<TraceSpans> TraceSpans::Make(TraceId trace, bool platform_parent) {
  return std::allocate_shared<TraceSpans>(PoolAllocator<TraceSpans>(), trace, platform_parent);
}

std::uint64_t TraceSpans::IdOf(std::uint32_t span) const {
  if (span == kNone) return 0;
  const std::uint64_t id = Mix(seed_ + span);
  return id != 0 ? id : 1;
}

SpanRecord& TraceSpans::LockedSpan(std::uint32_t span) {
  return span < kInlineSpans ? inline_spans_[span] : more_spans_[span - kInlineSpans];
}

std::uint32_t TraceSpans::Begin(std::string_view name, SpanKind kind, std::uint64_t parent,
                                std::uint64_t start) {
  SpanRecord record;
  record.name = name;
  record.parent = parent;
  record.start = start != 0 ? start : CycleClock::Now();
  record.kind = kind;
  const Hold hold(*this);
  if (spans_ >= kSpansMax) {
    ++dropped_;
    return kNone;
  }
  const std::uint32_t span = spans_++;
  record.id = IdOf(span);
  if (span < kInlineSpans) {
    inline_spans_[span] = record;
  } else {
    more_spans_.push_back(record);
  }
  open_.fetch_add(1, std::memory_order_relaxed);
  return span;
}

bool TraceSpans::LockedEnd(std::uint32_t span, absl::StatusCode code, bool failed) {
  SpanRecord& record = LockedSpan(span);
  if (record.end != 0) return false;
  record.end = std::max(CycleClock::Now(), record.start + 1);
  record.code = code;
  record.failed = failed;
  if (failed) failed_.store(true, std::memory_order_relaxed);
  open_.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

void TraceSpans::End(std::uint32_t span, absl::StatusCode code) {
  if (span == kNone) return;
  if (span == 0) {
    EndRoot(code, IsServerFault(code));
    return;
  }
  const Hold hold(*this);
  LockedEnd(span, code, IsServerFault(code));
}

void TraceSpans::EndRoot(absl::StatusCode code, bool failed) {
  std::uint64_t ticks = 0;
  {
    const Hold hold(*this);
    if (spans_ == 0 || !LockedEnd(0, code, failed)) return;
    ticks = LockedSpan(0).end - LockedSpan(0).start;
  }
  ended_.store(true, std::memory_order_relaxed);
  TraceRecorder::Process().Finish(
      *this,
      static_cast<std::uint64_t>(static_cast<double>(ticks) * CycleClock::NanosecondsPerTick()));
}

void TraceSpans::Rename(std::uint32_t span, std::string_view name, SpanKind kind) {
  const Hold hold(*this);
  if (span >= spans_) return;
  SpanRecord& record = LockedSpan(span);
  record.name = name;
  record.kind = kind;
}

SpanAttributeRecord* TraceSpans::LockedAttribute(std::uint32_t span, std::string_view key) {
  if (span >= spans_) return nullptr;
  if (attributes_ >= kAttributesMax) {
    ++dropped_;
    return nullptr;
  }
  const std::uint32_t index = attributes_++;
  SpanAttributeRecord* record = nullptr;
  if (index < kInlineAttributes) {
    record = &inline_attributes_[index];
  } else {
    record = &more_attributes_.emplace_back();
  }
  record->key = key;
  record->span = static_cast<std::uint16_t>(span);
  return record;
}

void TraceSpans::Set(std::uint32_t span, std::string_view key, std::int64_t value) {
  const Hold hold(*this);
  if (SpanAttributeRecord* const record = LockedAttribute(span, key)) {
    record->kind = SpanAttributeRecord::Kind::kInteger;
    record->integer = value;
  }
}

void TraceSpans::Set(std::uint32_t span, std::string_view key, double value) {
  const Hold hold(*this);
  if (SpanAttributeRecord* const record = LockedAttribute(span, key)) {
    record->kind = SpanAttributeRecord::Kind::kNumber;
    record->number = value;
  }
}

void TraceSpans::Set(std::uint32_t span, std::string_view key, bool value) {
  const Hold hold(*this);
  if (SpanAttributeRecord* const record = LockedAttribute(span, key)) {
    record->kind = SpanAttributeRecord::Kind::kBoolean;
    record->boolean = value;
  }
}

void TraceSpans::Set(std::uint32_t span, std::string_view key, std::string_view value) {
  const std::string_view text = CutText(value);
  const Hold hold(*this);
  if (text_ + more_text_.size() + text.size() > kTextMax) {
    ++dropped_;
    return;
  }
  SpanAttributeRecord* const record = LockedAttribute(span, key);
  if (record == nullptr) return;
  record->kind = SpanAttributeRecord::Kind::kText;
  record->text.size = static_cast<std::uint32_t>(text.size());
  if (text_ + text.size() <= kInlineText) {
    record->text.at = text_;
    std::memcpy(inline_text_.data() + text_, text.data(), text.size());
    text_ += static_cast<std::uint32_t>(text.size());
  } else {
    record->text.at = static_cast<std::uint32_t>(kInlineText + more_text_.size());
    more_text_.append(text);
  }
}

void TraceSpans::SetElapsed(std::string_view key) {
  const auto ticks = static_cast<double>(CycleClock::Now() - start_ticks_);
  Set(0, key, static_cast<std::int64_t>(ticks * CycleClock::NanosecondsPerTick() / 1e6));
}

TraceSpans::Copy TraceSpans::Read() const {
  Copy copy;
  const Hold hold(*this);
  copy.dropped = dropped_;
  copy.start_ticks = start_ticks_;
  copy.start_us = start_us_;
  copy.spans.assign(inline_spans_.begin(),
                    inline_spans_.begin() + std::min<std::size_t>(spans_, kInlineSpans));
  copy.spans.insert(copy.spans.end(), more_spans_.begin(), more_spans_.end());
  copy.attributes.reserve(attributes_);
  for (std::size_t i = 0; i < attributes_; ++i) {
    const SpanAttributeRecord& record =
        i < kInlineAttributes ? inline_attributes_[i] : more_attributes_[i - kInlineAttributes];
    std::string text;
    if (record.kind == SpanAttributeRecord::Kind::kText) {
      const auto [at, size] = record.text;
      text = at < kInlineText ? std::string(inline_text_.data() + at, size)
                              : more_text_.substr(at - kInlineText, size);
    }
    copy.attributes.emplace_back(record, std::move(text));
  }
  return copy;
}

SpanScope::SpanScope(Ctx& ctx, std::string_view name, SpanKind kind) {
  const std::shared_ptr<TraceSpans>& spans = ctx.info().spans;
  if (!spans) return;
  const std::uint32_t span = spans->Begin(name, kind, ctx.span_id());
  if (span == TraceSpans::kNone) return;
  spans_ = spans;
  span_ = span;
  ctx.EnterSpan(spans->IdOf(span));
}

}  // namespace tessera
