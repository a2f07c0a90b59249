#include "runtime/write_gate.h"

#include "base/str.h"

namespace tessera {

WriteGate::~WriteGate() { CHECK(here_ == 0 && elsewhere_ == 0); }

Task<Result<WriteGate::Pass>> WriteGate::Enter(Ctx ctx) {
  {
    std::lock_guard lock(mutex_);
    if (state_ == State::kActive) {
      ++here_;
      co_return Pass(this, true);
    }
    if (elsewhere_ >= limits_.held) {
      co_return absl::ResourceExhaustedError(
          StrCat("too many calls wait while ", service_, " is being moved; retry later"));
    }
    ++elsewhere_;
  }
  Pass waiting(this, false);
  Ctx bounded = ctx;
  bounded.TightenDeadline(Now() + limits_.wait);
  while (true) {
    Waiter changed(bounded);
    std::uint64_t key = 0;
    {
      std::lock_guard lock(mutex_);
      if (state_ == State::kActive) {
        ++here_;
        co_return Pass(this, true);  // and `waiting` leaves
      }
      if (state_ == State::kForwarding) co_return std::move(waiting);
      if (state_ == State::kStopped)
        co_return absl::UnavailableError(StrCat(service_, " has stopped; retry"));
      key = next_held_++;
      held_.emplace(key, changed.handle());
    }
    const Status status = co_await changed;
    {
      std::lock_guard lock(mutex_);
      held_.erase(key);
    }
    CO_TRY(ctx.Check());
    if (!status.ok()) {
      co_return absl::UnavailableError(
          StrCat(service_, " is being moved, and that takes too long; retry later"));
    }
  }
}

std::optional<WriteGate::Pass> WriteGate::TryEnter() {
  std::lock_guard lock(mutex_);
  if (state_ != State::kActive) return std::nullopt;
  ++here_;
  return Pass(this, true);
}

WriteGate::State WriteGate::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

void WriteGate::Open() { Change(State::kActive); }
void WriteGate::Stop() { Change(State::kStopped); }

Status WriteGate::Forward() {
  const State now = state();
  if (now == State::kForwarding) return absl::OkStatus();
  if (now != State::kYielded)
    return absl::FailedPreconditionError(
        StrCat(service_, " has not yielded; only then it forwards"));
  Change(State::kForwarding);
  return absl::OkStatus();
}

Task<Result<WriteGate::Turn>> WriteGate::TakeTurn(Ctx ctx) {
  while (true) {
    Waiter free(ctx);
    {
      std::lock_guard lock(mutex_);
      if (state_ == State::kStopped)
        co_return absl::FailedPreconditionError(StrCat(service_, " has stopped"));
      if (!std::exchange(turn_taken_, true)) co_return Turn(this);
      next_turn_.push_back(free.handle());
    }
    CO_TRY(co_await free);
  }
}

void WriteGate::EndTurn() {
  std::vector<WaiterHandle> next;
  {
    std::lock_guard lock(mutex_);
    turn_taken_ = false;
    next = std::exchange(next_turn_, {});
  }
  for (const WaiterHandle& one : next) one.Complete(absl::OkStatus());
}

Task<Status> WriteGate::Close(Ctx ctx) {
  {
    std::lock_guard lock(mutex_);
    if (state_ == State::kActive) state_ = State::kYielded;
  }
  while (true) {
    Waiter empty(ctx);
    {
      std::lock_guard lock(mutex_);
      if (state_ == State::kActive)
        co_return absl::AbortedError(StrCat("the move of ", service_, " was called off"));
      if (here_ == 0) co_return absl::OkStatus();
      closing_.push_back(empty.handle());
    }
    CO_TRY(co_await empty);
  }
}

void WriteGate::Leave(bool here) {
  std::vector<WaiterHandle> closing;
  {
    std::lock_guard lock(mutex_);
    --(here ? here_ : elsewhere_);
    if (here_ == 0) closing = std::exchange(closing_, {});
  }
  for (const WaiterHandle& one : closing) one.Complete(absl::OkStatus());
}

void WriteGate::Change(State state) {
  std::vector<WaiterHandle> wake;
  {
    std::lock_guard lock(mutex_);
    state_ = state;
    wake = std::exchange(closing_, {});
    for (const auto& [key, one] : held_) wake.push_back(one);
    held_.clear();
  }
  for (const WaiterHandle& one : wake) one.Complete(absl::OkStatus());
}

}  // namespace tessera
