#include "base/thread_index.h"

namespace tessera {
namespace {

std::atomic<std::uint32_t> taken{0};  // a bit a cell

// Takes a free cell for as long as the thread lives. The acquire of the one and the release of the
// other make what the last owner wrote seen by the next.
class OwnCell {
 public:
  OwnCell() : cell_(Take()) {}
  ~OwnCell() {
    if (cell_ != kSharedCell) taken.fetch_and(~(1u << cell_), std::memory_order_release);
  }
  unsigned cell() const { return cell_; }

 private:
  static unsigned Take() {
    std::uint32_t seen = taken.load(std::memory_order_relaxed);
    while (true) {
      unsigned cell = 0;
      while (cell < kSharedCell && (seen & (1u << cell)) != 0) ++cell;
      if (cell == kSharedCell) return cell;
      if (taken.compare_exchange_weak(seen, seen | (1u << cell), std::memory_order_acquire)) {
        return cell;
      }
    }
  }
  const unsigned cell_;
};

}  // namespace

unsigned ThreadCell() {
  thread_local const OwnCell own;
  return own.cell();
}

}  // namespace tessera
