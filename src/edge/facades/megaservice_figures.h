#pragma once
// Latencies of OPEA's megaservices, for /v1/statistics and /metrics.

#include <string_view>

#include "telemetry/metrics.h"

namespace tessera {

/// Live as long as the process. Thread-safe.
struct MegaserviceFigures {
  Histogram& request;
  Histogram& first_token;  ///< the first piece of the answer
};

MegaserviceFigures FiguresOf(std::string_view name);

}  // namespace tessera
