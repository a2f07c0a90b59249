#include "traces/local_traces.h"

#include <utility>

#include "runtime/thread_pool.h"

namespace tessera {
namespace {
constexpr Duration kFlushLimit = std::chrono::seconds(4);
}

Result<TraceStore*> LocalTraces::LockedStore() {
  if (!store_) {
    TRY(store_, TraceStore::OpenReadOnly(path_));
  }
  return store_.get();
}

Task<Result<v1::ListTracesReply>> LocalTraces::ListTraces(Ctx, v1::ListTracesRequest request) {
  const auto list = [this, &request]() -> Result<v1::ListTracesReply> {
    std::lock_guard lock(mutex_);
    TRY(TraceStore* const store, LockedStore());
    return store->List(request);
  };
  co_return co_await RunOn(blocking_, list);
}

Result<v1::Trace> LocalTraces::Find(const std::string& id) {
  std::lock_guard lock(mutex_);
  TRY(TraceStore* const store, LockedStore());
  return store->Get(id);
}

Task<Result<v1::Trace>> LocalTraces::GetTrace(Ctx, v1::GetTraceRequest request) {
  const auto find = [this, &request]() -> Result<v1::Trace> {
    Result<v1::Trace> trace = Find(request.id());
    if (trace.ok() || !absl::IsNotFound(trace.status()) || collector_ == nullptr) return trace;
    collector_->Flush(kFlushLimit);
    return Find(request.id());
  };
  co_return co_await RunOn(blocking_, find);
}

}  // namespace tessera
