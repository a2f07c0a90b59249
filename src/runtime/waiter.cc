#include "runtime/waiter.h"

#include <utility>

namespace tessera {

bool WaiterHandle::Complete(Status status) const {
  std::coroutine_handle<> waiting;
  Executor* executor = nullptr;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->result) return false;
    state_->result = std::move(status);
    waiting = std::exchange(state_->waiting, {});
    executor = state_->executor;
  }
  if (!waiting) return true;  // not asleep yet: await_suspend will see the result
  if (executor != nullptr) {
    executor->Post([waiting] { waiting.resume(); });
  } else {
    TimerQueue::Process().Arm(Now(), [waiting] { waiting.resume(); });
  }
  return true;
}

Waiter::Waiter(Ctx ctx) : ctx_(std::move(ctx)) {
  handle_.state_ = std::make_shared<WaiterHandle::State>();
}

Waiter::~Waiter() {
  if (timer_) TimerQueue::Process().Cancel(*timer_);
}

bool Waiter::await_suspend(std::coroutine_handle<> coroutine) {
  // Armed before the coroutine counts as asleep: until then nobody resumes it, so `this` stays
  // whole.
  const WaiterHandle handle = handle_;
  if (const Status status = ctx_.Check(); !status.ok()) {
    handle.Complete(status);
    return false;
  }
  ctx_.cancel().OnCancel(on_cancel_, [handle](const Status& reason) { handle.Complete(reason); });
  if (ctx_.has_deadline()) {
    timer_ = TimerQueue::Process().Arm(ctx_.deadline(), [handle] {
      handle.Complete(absl::DeadlineExceededError("the deadline of the call has passed"));
    });
  }
  std::lock_guard lock(handle.state_->mutex);
  if (handle.state_->result) return false;
  handle.state_->waiting = coroutine;
  handle.state_->executor = Executor::Current();
  return true;
}

// The result stays set, though its value goes: whoever completes late must see that it is late.
Status Waiter::await_resume() {
  std::lock_guard lock(handle_.state_->mutex);
  return std::move(*handle_.state_->result);
}

}  // namespace tessera
