#pragma once
// A cell of its own for every thread, in counters that are cut into cells so that threads do not
// share a cache line.

#include <atomic>
#include <cstdint>

namespace tessera {

inline constexpr unsigned kThreadCells = 16;
/// The last cell is for all threads that came when the others were taken.
inline constexpr unsigned kSharedCell = kThreadCells - 1;

/// The calling thread's cell, in [0, kThreadCells). Every cell but kSharedCell has one living
/// thread at a time.
unsigned ThreadCell();

/// Adds to the calling thread's cell of a sum: without a locked instruction where the cell is the
/// thread's own.
inline void AddToCell(std::atomic<std::uint64_t>& value, unsigned cell, std::uint64_t amount) {
  if (cell != kSharedCell) [[likely]] {
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  } else {
    value.fetch_add(amount, std::memory_order_relaxed);
  }
}

}  // namespace tessera
