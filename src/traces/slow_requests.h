#pragma once
// The log of slow requests: a record for each, which says where its time went.

#include <map>
#include <string>

#include "base/clock.h"
#include "telemetry/metrics.h"
#include "traces/trace_store.h"

namespace tessera {

/// Waits a moment for the parts of other processes, then writes. Not thread-safe.
class SlowRequests {
 public:
  SlowRequests();

  /// Any part of any trace, as it comes; the recorder has marked the slow ones.
  void See(const v1::SpanFragment& fragment, SteadyTime now);
  /// Writes what has waited long enough, or everything. `store` may be null: it knows parts that
  /// came before the request ended.
  void Write(TraceStore* store, SteadyTime now, bool everything);

 private:
  struct Waiting {
    SteadyTime until;
    v1::Trace trace;  // its spans; the root is the first
  };
  void Log(TraceStore* store, const std::string& id, const v1::Trace& seen) const;

  Counter& left_out_;
  std::map<std::string, Waiting> waiting_;
};

}  // namespace tessera
