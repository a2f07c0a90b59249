#pragma once
// For every contract: the instances that serve it now, by weight. Calls read it; moves swap it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/contract.h"
#include "rpc/instance.h"

namespace tessera {

/// An instance and its part of the calls: weight / sum of weights.
struct WeightedInstance {
  InstancePtr instance;
  std::uint32_t weight = 1;
};

/// Thread-safe. A read costs a thread a look at its own snapshot; a swap is atomic for every call
/// that begins after it.
class RouteTable {
 public:
  using RouteId = std::uint32_t;

  RouteTable();
  ~RouteTable();
  RouteTable(const RouteTable&) = delete;

  /// The id of a contract's route, made at first use. Until Set() no instance serves it.
  RouteId Find(std::string_view contract);

  /// From now on calls go to these instances. Those not named any more get no new call; drain and
  /// stop them.
  void Set(RouteId route, std::vector<WeightedInstance> instances);
  std::vector<WeightedInstance> Get(RouteId route) const;

  /// Swaps `next` in for everything that serves the route, then waits until the calls inside the
  /// old ones have ended, and stops them. When ctx ends first, the old ones go on until their calls
  /// end and the status says so; `next` serves all the same.
  Task<Status> Replace(Ctx ctx, RouteId route, InstancePtr next);
  /// The same with nobody to serve the route afterwards.
  Task<Status> Clear(Ctx ctx, RouteId route);

  /// A lease on one of the route's instances; empty when there is none.
  Lease Enter(RouteId route);

 private:
  friend class RouteTablePause;  // of the test that looks between the steps of Enter

  struct RouteEntry {
    std::vector<WeightedInstance> instances;
    std::uint32_t weight_sum = 0;
  };
  using Table = std::vector<RouteEntry>;
  struct Snapshot {
    std::uint64_t generation = 0;
    std::shared_ptr<const Table> table;
  };

  /// Enter, with a call of `pause` where another thread's swap and drain would do most harm:
  /// between the choice of an instance and the count in it.
  template <class Pause>
  Lease EnterPausing(RouteId route, Pause pause);

  Task<Status> SetAndDrain(Ctx ctx, RouteId route, std::vector<WeightedInstance> next);
  Snapshot& ThreadSnapshot();
  void Refresh(Snapshot& snapshot);
  static Instance* Pick(const RouteEntry& entry);

  const std::uint32_t table_id_;  // index of this table's snapshot in each thread
  alignas(64) std::atomic<std::uint64_t> generation_{1};
  alignas(64) mutable std::mutex mutex_;
  std::shared_ptr<const Table> table_;
  std::vector<std::string> contracts_;
};

// Counts itself in first and looks at the generation again after that: if it has not changed,
// whoever drains stores the new table later and so sees the count; if it has, the count is taken
// back. A drained instance can gain no call unseen.
template <class Pause>
Lease RouteTable::EnterPausing(RouteId route, Pause pause) {
  Snapshot& snapshot = ThreadSnapshot();
  while (true) {
    const std::uint64_t generation = generation_.load(std::memory_order_seq_cst);
    if (snapshot.generation != generation) [[unlikely]]
      Refresh(snapshot);
    Instance* const instance = Pick((*snapshot.table)[route]);
    if (instance == nullptr) return Lease();
    pause();
    Lease lease(instance, instance->in_flight().Enter());
    if (generation_.load(std::memory_order_seq_cst) == snapshot.generation) return lease;
  }
}

}  // namespace tessera
