#include "telemetry/trace.h"

#include <algorithm>
#include <utility>

namespace tessera {

SpanRing& SpanRing::Process() {
  static SpanRing* ring = new SpanRing(8192);
  return *ring;
}

void SpanRing::Add(const Span& span) {
  std::lock_guard lock(mutex_);
  if (spans_.size() < capacity_) {
    spans_.push_back(span);
  } else {
    spans_[next_] = span;
    next_ = (next_ + 1) % capacity_;
  }
}

std::vector<Span> SpanRing::Drain() {
  std::lock_guard lock(mutex_);
  std::rotate(spans_.begin(), spans_.begin() + static_cast<std::ptrdiff_t>(next_), spans_.end());
  next_ = 0;
  return std::exchange(spans_, {});
}

}  // namespace tessera
