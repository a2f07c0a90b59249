#pragma once
// Latencies of OPEA's megaservices, for /v1/statistics and /metrics.

#include <string_view>
#include <utility>

#include "telemetry/metrics.h"

namespace tessera {

/// Live as long as the process. Thread-safe.
struct MegaserviceFigures {
  Histogram& request;
  Histogram& first_token;  ///< the first piece of the answer
  // Under the names that OPEA's dashboards read; of all megaservices together.
  Histogram& opea_request;
  Histogram& opea_first_token;
  Histogram& opea_between_tokens;
  Gauge& opea_pending;
};

/// A request that is being answered, while it lives. Movable.
class PendingMegaservice {
 public:
  explicit PendingMegaservice(Gauge& pending) : pending_(&pending) { pending_->Add(1); }
  PendingMegaservice(PendingMegaservice&& other) noexcept
      : pending_(std::exchange(other.pending_, nullptr)) {}
  PendingMegaservice& operator=(PendingMegaservice&&) = delete;
  ~PendingMegaservice() {
    if (pending_ != nullptr) pending_->Add(-1);
  }

 private:
  Gauge* pending_;
};

MegaserviceFigures FiguresOf(std::string_view name);

}  // namespace tessera
