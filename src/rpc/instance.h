#pragma once
// One running service in this process, and the calls inside it.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/ctx.h"
#include "base/task.h"
#include "base/thread_index.h"

namespace tessera {

/// Calls inside an instance, counted in cells so that threads do not share a cache line.
/// Thread-safe.
class InFlight {
 public:
  unsigned Enter() {
    const unsigned cell = ThreadCell();
    cells_[cell].count.fetch_add(1, std::memory_order_seq_cst);
    return cell;
  }
  /// Touches nothing after the count: whoever drains may destroy this as soon as that is zero.
  void Leave(unsigned cell) { cells_[cell].count.fetch_sub(1, std::memory_order_seq_cst); }
  std::int64_t count() const;

  /// OK once no call is inside. To be called after the instance has left the route table. Looks
  /// again and again, at most 10 ms late: a call that woke it would touch what may be gone by then.
  Task<Status> WaitUntilEmpty(Ctx ctx);

 private:
  struct alignas(64) Cell {
    std::atomic<std::int64_t> count{0};
  };
  std::array<Cell, kThreadCells> cells_;
};

class CallMetrics;

/// What calls of each method met in one instance. Thread-safe.
class InstanceFigures {
 public:
  explicit InstanceFigures(std::size_t methods);
  ~InstanceFigures();
  std::size_t size() const { return methods_; }
  CallMetrics& of(std::size_t method) const;

 private:
  const std::size_t methods_;
  const std::unique_ptr<CallMetrics[]> metrics_;
};

/// A service as the route table knows it. Made by MakeInstance<Contract>(); shared by the table and
/// by whoever moves it.
class Instance {
 public:
  Instance(std::string name, void* target, std::shared_ptr<void> owner)
      : name_(std::move(name)), target_(target), owner_(std::move(owner)) {}

  const std::string& name() const { return name_; }
  void* target() const { return target_; }
  InFlight& in_flight() { return in_flight_; }
  /// From now on the calls that enter are counted in figures of its own, for whoever compares it
  /// with another; `methods` of its contract. The first call counts.
  void Watch(std::size_t methods);
  /// Null while it is not watched.
  InstanceFigures* figures() const { return watched_.load(std::memory_order_acquire); }
  /// Ends the service. Only when nothing is in flight.
  void Stop() {
    target_ = nullptr;
    owner_.reset();
  }

 private:
  const std::string name_;
  void* target_;  // a Contract*, as MakeInstance made it
  std::shared_ptr<void> owner_;
  std::atomic<InstanceFigures*> watched_{nullptr};
  std::unique_ptr<InstanceFigures> figures_;
  InFlight in_flight_;
};

using InstancePtr = std::shared_ptr<Instance>;

template <class Contract>
InstancePtr MakeInstance(std::string name, std::shared_ptr<Contract> service) {
  Contract* const target = service.get();
  return std::make_shared<Instance>(std::move(name), target, std::move(service));
}

/// The right to call an instance: while it lives, the instance is not drained. Movable.
class Lease {
 public:
  Lease() = default;
  Lease(Instance* instance, unsigned cell) : instance_(instance), cell_(cell) {}
  Lease(Lease&& other) noexcept
      : instance_(std::exchange(other.instance_, nullptr)), cell_(other.cell_) {}
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (instance_ != nullptr) instance_->in_flight().Leave(cell_);
  }
  explicit operator bool() const { return instance_ != nullptr; }
  template <class Contract>
  Contract& target() const {
    return *static_cast<Contract*>(instance_->target());
  }
  /// Of a method of the instance; null while it is not watched.
  CallMetrics* figures(std::size_t method) const {
    const InstanceFigures* const figures = instance_->figures();
    return figures == nullptr ? nullptr : &figures->of(method);
  }

 private:
  Instance* instance_ = nullptr;
  unsigned cell_ = 0;
};

}  // namespace tessera
