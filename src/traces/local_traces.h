#pragma once
// The contract Traces, over the store.

#include <memory>
#include <mutex>
#include <string>

#include "base/executor.h"
#include "tessera/v1/traces.tessera.h"
#include "traces/trace_collector.h"

namespace tessera {

/// Thread-safe.
class LocalTraces final : public Traces {
 public:
  /// All given outlive it. `collector` null: nothing is recorded.
  LocalTraces(std::string path, TraceCollector* collector, Executor& blocking)
      : path_(std::move(path)), collector_(collector), blocking_(blocking) {}

  Task<Result<v1::ListTracesReply>> ListTraces(Ctx ctx, v1::ListTracesRequest request) override;
  /// Looks again, when it is not there, once everything that has ended is in the store.
  Task<Result<v1::Trace>> GetTrace(Ctx ctx, v1::GetTraceRequest request) override;

 private:
  Result<TraceStore*> LockedStore();
  Result<v1::Trace> Find(const std::string& id);

  const std::string path_;
  TraceCollector* const collector_;
  Executor& blocking_;
  std::mutex mutex_;
  std::unique_ptr<TraceStore> store_;  // opened when it is first looked into
};

}  // namespace tessera
