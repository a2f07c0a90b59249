#pragma once
// Samples on their way from threads that are watched to the one that counts them.

#include <array>
#include <atomic>
#include <cstdint>

#include "profiling/captured_stack.h"

namespace tessera {

/// Of fixed size and without locks: whoever finds no room goes on without a sample. Lives in the
/// process's zeroed memory, of which nothing is touched before the first profile.
class SampleRing {
 public:
  static constexpr std::size_t kSlots = 128;

  struct Slot {
    std::atomic<std::uint32_t> state;  ///< one of State
    std::uint32_t session;
    std::int32_t thread;
    std::uint32_t weight;  ///< of a CPU sample: how many it stands for
    std::uint32_t index;   ///< of a heap sample
    CapturedStack stack;
  };

  /// Signal-safe. Null: there is no room, which is counted. Else Publish or Drop it.
  Slot* Claim();
  static void Publish(Slot* slot) { slot->state.store(kFull, std::memory_order_release); }
  static void Drop(Slot* slot) { slot->state.store(kFree, std::memory_order_release); }
  void Lost() { lost_.fetch_add(1, std::memory_order_relaxed); }

  /// Calls `take` with every sample that is there, and frees its place. One thread at a time.
  template <class Fn>
  void Drain(const Fn& take) {
    for (Slot& slot : slots_) {
      if (slot.state.load(std::memory_order_acquire) != kFull) continue;
      take(slot);
      slot.state.store(kFree, std::memory_order_release);
    }
  }
  /// Since the last call.
  std::uint64_t TakeLost() { return lost_.exchange(0, std::memory_order_relaxed); }

 private:
  enum State : std::uint32_t { kFree, kClaimed, kFull };
  static constexpr std::uint32_t kTries = 8;

  std::array<Slot, kSlots> slots_;
  std::atomic<std::uint32_t> next_;
  std::atomic<std::uint64_t> lost_;
};

inline SampleRing::Slot* SampleRing::Claim() {
  for (std::uint32_t i = 0; i < kTries; ++i) {
    Slot& slot = slots_[next_.fetch_add(1, std::memory_order_relaxed) % kSlots];
    std::uint32_t state = kFree;
    if (slot.state.compare_exchange_strong(state, kClaimed, std::memory_order_acquire))
      return &slot;
  }
  Lost();
  return nullptr;
}

}  // namespace tessera
