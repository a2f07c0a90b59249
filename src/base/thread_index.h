#pragma once
// A small number for the calling thread, to pick its own cell of a sharded counter.

#include <atomic>

namespace tessera {

inline constexpr unsigned kThreadCells = 16;

/// In [0, kThreadCells); two threads may share a number.
inline unsigned ThreadCell() {
  static std::atomic<unsigned> next{0};
  thread_local const unsigned cell = next.fetch_add(1, std::memory_order_relaxed) % kThreadCells;
  return cell;
}

}  // namespace tessera
