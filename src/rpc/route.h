#pragma once
// CallRoute: what happens between a caller and a service. The routers that the protoc plugin makes
// are thin rows over it.

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/stream.h"
#include "rpc/call_scope.h"
#include "rpc/route_table.h"

namespace tessera {

/// The router class of a contract; specialised by the generated x_rpc.tessera.h.
template <class Contract>
struct RouterFor;

namespace internal {
template <class Method>
struct ReplyOf;
template <class Contract, class Reply, class Request>
struct ReplyOf<Task<Result<Reply>> (Contract::*)(Ctx, Request)> {
  using type = Reply;
};
template <class Reply>
Task<Result<Reply>> Refuse(Status status) {
  co_return status;
}
template <class Reply>
struct ItemOf;
template <class Item>
struct ItemOf<StreamPtr<Item>> {
  using type = Item;
};
}  // namespace internal

/// The end of a call: counts it and gives the lease back. A task that is dropped unawaited counts
/// as cancelled.
class CallRecord final : public TaskHook {
 public:
  CallRecord(Lease lease, CallScope scope) : lease_(std::move(lease)), scope_(std::move(scope)) {}
  ~CallRecord() override { scope_.End(absl::StatusCode::kCancelled); }
  void Finish(absl::StatusCode code) override { scope_.End(code); }

 private:
  Lease lease_;
  CallScope scope_;
};

/// A stream with the lease of the instance that sends it: the call counts as inside until the
/// stream is dropped.
template <class Item>
class LeasedStream final : public Stream<Item> {
 public:
  LeasedStream(Lease lease, CallScope scope, StreamPtr<Item> stream, SteadyTime first_deadline)
      : lease_(std::move(lease)),
        scope_(std::move(scope)),
        stream_(std::move(stream)),
        first_deadline_(first_deadline) {}

  ~LeasedStream() override {
    stream_.reset();  // the instance's own work ends before the lease does
    scope_.End(absl::StatusCode::kCancelled);
  }

  Task<Result<std::optional<Item>>> Next(Ctx ctx) override {
    if (first_deadline_) ctx.TightenDeadline(*std::exchange(first_deadline_, std::nullopt));
    Result<std::optional<Item>> item = co_await stream_->Next(std::move(ctx));
    if (item.ok() && item->has_value()) {
      scope_.FirstItem();
    } else {
      scope_.End(item.status().code());
    }
    co_return item;
  }

 private:
  Lease lease_;
  CallScope scope_;
  StreamPtr<Item> stream_;
  std::optional<SteadyTime> first_deadline_;
};

/// The calls of one contract through a route table. Thread-safe; outlives every call.
class CallRoute {
 public:
  CallRoute(RouteTable& table, const ContractInfo& contract);
  ~CallRoute();
  CallRoute(const CallRoute&) = delete;

  RouteTable& table() { return table_; }
  RouteTable::RouteId id() const { return id_; }
  const CallMetrics& metrics(std::size_t method) const { return metrics_[method]; }

  /// No coroutine of its own: the service's task carries the lease and the scope until it ends.
  template <class Contract, auto kMethod, class Request>
  Task<Result<typename internal::ReplyOf<decltype(kMethod)>::type>> Call(std::size_t method,
                                                                         Ctx ctx, Request request) {
    using Reply = typename internal::ReplyOf<decltype(kMethod)>::type;
    CallScope scope(contract_.methods[method], metrics_[method], nanoseconds_per_tick_);
    Status refused = scope.Begin(ctx, authorizer_);
    Lease lease = refused.ok() ? table_.Enter(id_) : Lease();
    if (!lease) [[unlikely]] {
      if (refused.ok()) refused = NoInstance();
      scope.End(refused.code());
      return internal::Refuse<Reply>(std::move(refused));
    }
    scope.Watch(lease.figures(method));
    auto task = (lease.target<Contract>().*kMethod)(std::move(ctx), std::move(request));
    task.OnFinish(std::make_unique<CallRecord>(std::move(lease), std::move(scope)));
    return task;
  }

  template <class Contract, auto kMethod, class Request>
  Task<Result<typename internal::ReplyOf<decltype(kMethod)>::type>> CallStream(std::size_t method,
                                                                               Ctx ctx,
                                                                               Request request) {
    using Reply = typename internal::ReplyOf<decltype(kMethod)>::type;
    using Item = typename internal::ItemOf<Reply>::type;
    CallScope scope(contract_.methods[method], metrics_[method], nanoseconds_per_tick_);
    Status refused = scope.Begin(ctx, authorizer_);
    Lease lease = refused.ok() ? table_.Enter(id_) : Lease();
    if (!lease) [[unlikely]] {
      if (refused.ok()) refused = NoInstance();
      scope.End(refused.code());
      co_return refused;
    }
    scope.Watch(lease.figures(method));
    const SteadyTime first_deadline = Now() + std::chrono::milliseconds(scope.method().timeout_ms);
    Contract& target = lease.target<Contract>();
    Result<Reply> reply = co_await (target.*kMethod)(std::move(ctx), std::move(request));
    if (!reply.ok()) {
      scope.End(reply.status().code());
      co_return reply;
    }
    Reply leased = std::make_unique<LeasedStream<Item>>(std::move(lease), std::move(scope),
                                                        *std::move(reply), first_deadline);
    co_return leased;
  }

 private:
  Status NoInstance() const;

  RouteTable& table_;
  const ContractInfo contract_;
  const RouteTable::RouteId id_;
  const ScopeAuthorizer authorizer_;
  const double nanoseconds_per_tick_;
  std::vector<CallMetrics> metrics_;
};

}  // namespace tessera
