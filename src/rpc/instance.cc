#include "rpc/instance.h"

#include <algorithm>

#include "rpc/call_scope.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

constexpr Duration kFirstPause = std::chrono::microseconds(50);
constexpr Duration kLongestPause = std::chrono::milliseconds(10);

}  // namespace

std::int64_t InFlight::count() const {
  std::int64_t sum = 0;
  for (const Cell& cell : cells_) sum += cell.count.load(std::memory_order_seq_cst);
  return sum;
}

Task<Status> InFlight::WaitUntilEmpty(Ctx ctx) {
  Duration pause = kFirstPause;
  while (count() != 0) {
    CO_TRY(co_await SleepFor(ctx, pause));
    pause = std::min(pause * 2, kLongestPause);
  }
  co_return absl::OkStatus();
}

InstanceFigures::InstanceFigures(std::size_t methods)
    : methods_(methods), metrics_(std::make_unique<CallMetrics[]>(methods)) {}
InstanceFigures::~InstanceFigures() = default;
CallMetrics& InstanceFigures::of(std::size_t method) const { return metrics_[method]; }

void Instance::Watch(std::size_t methods) {
  if (figures_) return;
  figures_ = std::make_unique<InstanceFigures>(methods);
  watched_.store(figures_.get(), std::memory_order_release);
}

}  // namespace tessera
