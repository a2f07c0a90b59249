#include "remote/breaker.h"

#include <algorithm>

namespace tessera {

CircuitBreaker::State CircuitBreaker::At(SteadyTime now) {
  if (state_ == State::kOpen && now >= open_until_) {
    state_ = State::kHalfOpen;
    good_probes_ = 0;
  }
  return state_;
}

bool CircuitBreaker::OnFault(SteadyTime now) {
  switch (At(now)) {
    case State::kOpen:  // of a call that began before
      return false;
    case State::kHalfOpen:
      Open(now);
      return true;
    case State::kClosed:
      break;
  }
  if (now >= window_end_) {
    // The goods since the window's end are forgotten with it: faults alone begin a window.
    window_end_ = now + config_.window;
    good_ = 0;
    bad_ = 0;
  }
  ++bad_;
  if (config_.failed_part <= 0) return false;
  const std::uint64_t calls = bad_ + good_.load(std::memory_order_relaxed);
  if (calls < config_.calls_min ||
      static_cast<double>(bad_) < config_.failed_part * static_cast<double>(calls)) {
    return false;
  }
  Open(now);
  return true;
}

bool CircuitBreaker::OnGoodProbe(SteadyTime now) {
  if (At(now) != State::kHalfOpen || ++good_probes_ < config_.probes) return false;
  state_ = State::kClosed;
  opened_in_a_row_ = 0;
  good_ = 0;
  bad_ = 0;
  window_end_ = now + config_.window;
  closed_ = true;
  return true;
}

void CircuitBreaker::Open(SteadyTime now) {
  state_ = State::kOpen;
  closed_ = false;
  ++times_opened_;
  const int doublings = std::min(opened_in_a_row_++, 20);
  open_until_ =
      now + std::min(config_.open_for * (std::int64_t{1} << doublings), config_.open_for_max);
}

}  // namespace tessera
