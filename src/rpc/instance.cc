#include "rpc/instance.h"

namespace tessera {

std::int64_t InFlight::count() const {
  std::int64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.count.load(std::memory_order_seq_cst);
  return sum;
}

Task<Status> InFlight::WaitUntilEmpty(Ctx ctx) {
  Waiter waiter(std::move(ctx));
  {
    std::lock_guard lock(mutex_);
    watcher_ = waiter.handle();
  }
  watched_.store(true, std::memory_order_seq_cst);
  WakeIfEmpty();  // the last call may have left before it could see the watch
  co_return co_await waiter;
}

void InFlight::WakeIfEmpty() {
  if (count() != 0) return;
  std::lock_guard lock(mutex_);
  if (watcher_) watcher_->Complete(absl::OkStatus());
}

}  // namespace tessera
