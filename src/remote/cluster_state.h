#pragma once
// What the calls of a cluster share. Only for remote's own .cc files.

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "remote/cluster.h"
#include "remote/endpoint.h"
#include "remote/latency_quantile.h"
#include "remote/plan.h"
#include "remote/request_key.h"
#include "remote/retry_budget.h"
#include "runtime/scope.h"

namespace tessera {

using EndpointPtr = std::shared_ptr<RemoteEndpoint>;

/// The endpoints that a call has been to, as far as they are remembered.
class Tried {
 public:
  void Add(const RemoteEndpoint* endpoint) { endpoints_[next_++ % endpoints_.size()] = endpoint; }
  bool Has(const RemoteEndpoint* endpoint) const {
    for (const RemoteEndpoint* tried : endpoints_) {
      if (tried == endpoint) return true;
    }
    return false;
  }

 private:
  std::array<const RemoteEndpoint*, 4> endpoints_{};
  std::size_t next_ = 0;
};

/// A call's place at an endpoint.
class EndpointLease {
 public:
  EndpointLease() = default;
  EndpointLease(std::shared_ptr<class ClusterState> state, EndpointPtr endpoint, bool probe);
  EndpointLease(EndpointLease&& other) noexcept = default;
  EndpointLease& operator=(EndpointLease&& other) noexcept;
  ~EndpointLease() { Release(); }

  explicit operator bool() const { return endpoint_ != nullptr; }
  RemoteEndpoint& operator*() const { return *endpoint_; }
  RemoteEndpoint* operator->() const { return endpoint_.get(); }
  const EndpointPtr& endpoint() const { return endpoint_; }
  void Release();

 private:
  std::shared_ptr<class ClusterState> state_;
  EndpointPtr endpoint_;
  bool probe_ = false;
};

class ClusterState final : public std::enable_shared_from_this<ClusterState> {
 public:
  ClusterState(ClusterConfig with, IoLoops& on);

  /// What calls end with that are inside when it is closed.
  static Status Closed();

  // Choosing (cluster_state.cc).

  /// A place at an endpoint, one that was not tried if possible. Waits while none can take the
  /// call.
  Task<Result<EndpointLease>> Enter(Ctx ctx, std::uint64_t key, const Tried* tried);
  /// The same without waiting; empty when none can take it now.
  EndpointLease TryEnter(SteadyTime now, std::uint64_t key, const Tried& tried);
  /// There is one that could take the call and is not among those tried.
  bool HasAnother(const Tried& tried);
  void OnOutcome(const EndpointPtr& endpoint, Outcome outcome, SteadyTime now);
  /// A place became free.
  void Left();

  // Membership (cluster_members.cc).

  void SetEndpoints(std::vector<MeshEndpoint> endpoints);
  void SetMembers(std::vector<MeshEndpoint> members);
  Task<void> Tend(EndpointPtr endpoint);
  Task<void> Resolve();
  Task<void> Retire(EndpointPtr endpoint);
  Task<Status> Close();
  ClusterSnapshot Snapshot();

  // Calls (cluster_call.cc, cluster_stream.cc).

  std::uint64_t KeyOf(const MethodInfo& method, const Ctx& ctx,
                      const google::protobuf::MessageLite& request) const;

  const ClusterConfig config;
  IoLoops& loops;
  const RequestKey request_key;
  RetryBudget budget;
  MethodLatencies latencies;
  std::atomic<std::uint64_t> retries{0}, hedges{0}, hedges_won{0}, waited{0}, refused{0};
  std::atomic<bool> closed{false};

 private:
  std::shared_ptr<const Plan> CurrentPlan(SteadyTime now);
  // With the lock held. Those to wake are told after it is let go.
  std::vector<WaiterHandle> Rebuild(SteadyTime now);
  void Sweep(SteadyTime now);
  bool MayEject(SteadyTime now) const;
  bool NoteFault(RemoteEndpoint& endpoint, SteadyTime now);
  bool NoteHealth(RemoteEndpoint& endpoint, const Status& checked, SteadyTime now);
  Duration NextCheck(const RemoteEndpoint& endpoint) const;
  Status WhyNone(SteadyTime now);
  void RemoveWaiter(std::uint64_t id);

  std::mutex mutex_;
  std::map<std::string, EndpointPtr> endpoints_;  ///< by address
  std::set<EndpointPtr> retiring_;                ///< those that still finish their calls
  std::shared_ptr<const Plan> plan_;
  bool panics_ = false;
  bool resolves_ = false;
  std::vector<MeshEndpoint> named_;  ///< as given to SetEndpoints
  std::optional<WaiterHandle> resolve_wake_;
  SteadyTime next_sweep_;
  std::map<std::uint64_t, WaiterHandle> waiters_;
  std::uint64_t next_waiter_ = 0;
  std::atomic<std::int64_t> waiting_{0};
  Scope scope_;
};

/// The live clusters' figures are part of the process's metrics while they live.
void AddToMetrics(const std::shared_ptr<ClusterState>& state);

}  // namespace tessera
