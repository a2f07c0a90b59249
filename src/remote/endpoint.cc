#include "remote/endpoint.h"

namespace tessera {

bool RemoteEndpoint::Enter(bool* probe) {
  *probe = !breaker.closed();
  if (*probe && probing_.fetch_add(1) >= probes_max) {
    probing_.fetch_sub(1);
    return false;
  }
  // Against Drained(): whoever enters after it looked sees `removed`.
  if (in_flight.fetch_add(1) >= calls_max || removed.load()) {
    Leave(*probe);
    return false;
  }
  calls.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void RemoteEndpoint::Leave(bool probe) {
  if (probe) probing_.fetch_sub(1);
  if (in_flight.fetch_sub(1) != 1 || !removed.load()) return;
  std::lock_guard lock(drain_mutex_);
  if (drained_) drained_->Complete(absl::OkStatus());
}

Task<Status> RemoteEndpoint::Drained(Ctx ctx) {
  Waiter waiter(std::move(ctx));
  {
    std::lock_guard lock(drain_mutex_);
    drained_ = waiter.handle();
  }
  removed = true;
  if (in_flight.load() == 0) co_return absl::OkStatus();
  co_return co_await waiter;
}

}  // namespace tessera
