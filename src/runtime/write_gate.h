#pragma once
// WriteGate: lets calls that write in, holds them back, or sends them on (see Handover).

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ctx.h"
#include "base/task.h"
#include "runtime/waiter.h"

namespace tessera {

/// Thread-safe. Outlives its passes.
class WriteGate {
 public:
  enum class State { kStandby, kActive, kYielded, kForwarding, kStopped };
  struct Limits {
    std::size_t held = 4096;                   ///< calls that wait, or are on their way to another
    Duration wait = std::chrono::seconds(30);  ///< also of calls without a deadline
  };

  /// `service` is for messages. Begins as standby.
  explicit WriteGate(std::string service) : WriteGate(std::move(service), Limits()) {}
  WriteGate(std::string service, Limits limits) : service_(std::move(service)), limits_(limits) {}
  ~WriteGate();
  WriteGate(const WriteGate&) = delete;

  /// A call that is inside until this is destroyed.
  class Pass {
   public:
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), here_(other.here_) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_ != nullptr) gate_->Leave(here_);
    }
    /// True: write here. False: pass the call to the successor.
    bool here() const { return here_; }

   private:
    friend class WriteGate;
    Pass(WriteGate* gate, bool here) : gate_(gate), here_(here) {}
    WriteGate* gate_;
    bool here_;
  };

  /// Waits while it is decided who writes: UNAVAILABLE when that takes too long, ctx's status when
  /// that ends first, RESOURCE_EXHAUSTED when too many wait.
  Task<Result<Pass>> Enter(Ctx ctx);
  /// For work that nobody waits for: nothing, unless active.
  std::optional<Pass> TryEnter();

  State state() const;
  bool active() const { return state() == State::kActive; }

  /// One change of state at a time: from taking it to destroying it.
  class Turn {
   public:
    Turn(Turn&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (gate_ != nullptr) gate_->EndTurn();
    }

   private:
    friend class WriteGate;
    explicit Turn(WriteGate* gate) : gate_(gate) {}
    WriteGate* gate_;
  };
  /// FAILED_PRECONDITION: the gate has been stopped.
  Task<Result<Turn>> TakeTurn(Ctx ctx);

  /// Active: what waits goes in.
  void Open();
  /// Yielded: nothing goes in any more; returns when those that write here have left. ABORTED: the
  /// gate was opened meanwhile.
  Task<Status> Close(Ctx ctx);
  /// Forwarding: what waits goes on to the successor. FAILED_PRECONDITION: it has not yielded.
  Status Forward();
  /// What waits, and whatever still comes, is refused with UNAVAILABLE.
  void Stop();

 private:
  void Leave(bool here);
  void EndTurn();
  void Change(State state);

  const std::string service_;
  const Limits limits_;
  mutable std::mutex mutex_;  // for all below
  State state_ = State::kStandby;
  std::size_t here_ = 0;
  std::size_t elsewhere_ = 0;  // waiting, or with the successor
  std::uint64_t next_held_ = 0;
  std::map<std::uint64_t, WaiterHandle> held_;
  std::vector<WaiterHandle> closing_;
  bool turn_taken_ = false;
  std::vector<WaiterHandle> next_turn_;
};

}  // namespace tessera
