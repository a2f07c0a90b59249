#pragma once
// Which allocations are watched, and which of them are freed again: called by the program's own
// malloc and operator new (app/allocation.cc), and one comparison while nobody watches.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "profiling/sample_ring.h"

namespace tessera {

/// 0: nobody watches.
extern std::atomic<std::uint32_t> heap_session;

void NoteAllocation(void* memory, std::size_t size);
void NoteFreed(void* memory);

inline void OnAllocated(void* memory, std::size_t size) {
  if (heap_session.load(std::memory_order_relaxed) != 0) [[unlikely]]
    NoteAllocation(memory, size);
}
/// Before it is freed.
inline void OnFreed(void* memory) {
  if (heap_session.load(std::memory_order_relaxed) != 0) [[unlikely]]
    NoteFreed(memory);
}

/// By who calls the two above; a program that does not cannot tell of its heap.
void HeapIsTold();
bool HeapTells();

/// While it lives, allocations are sampled into the ring, by their size: one in `kPeriod` bytes.
/// One at a time.
class HeapWatch {
 public:
  static constexpr std::size_t kPeriod = 512 << 10;
  static constexpr std::uint32_t kSamplesMax = 64 << 10;

  HeapWatch(SampleRing& ring, std::uint32_t session);
  ~HeapWatch() { Stop(); }
  HeapWatch(const HeapWatch&) = delete;
  void Stop() { heap_session = 0; }

  struct Sample {
    std::size_t size;
    bool freed;
  };
  static Sample Get(std::uint32_t index);
};

}  // namespace tessera
