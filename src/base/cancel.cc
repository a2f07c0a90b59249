#include "base/cancel.h"

#include <utility>

namespace tessera {
namespace internal {

class CancelState {
 public:
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

  Status status() {
    if (!cancelled()) return absl::OkStatus();
    std::lock_guard lock(mutex_);
    return reason_;
  }

  void Cancel(Status reason) {
    std::lock_guard lock(mutex_);
    if (cancelled()) return;
    reason_ = std::move(reason);
    cancelled_.store(true, std::memory_order_release);
    while (head_ != nullptr) {
      CancelCallback* callback = head_;
      Unlink(callback);
      callback->closure_(reason_);
    }
  }

  void Add(CancelCallback* callback) {
    std::lock_guard lock(mutex_);
    if (cancelled()) {
      callback->closure_(reason_);
      return;
    }
    callback->next_ = head_;
    if (head_ != nullptr) head_->previous_ = callback;
    head_ = callback;
  }

  void Remove(CancelCallback* callback) {
    std::lock_guard lock(mutex_);
    if (callback == head_ || callback->previous_ != nullptr) Unlink(callback);
  }

 private:
  void Unlink(CancelCallback* callback) {
    if (callback->previous_ != nullptr) callback->previous_->next_ = callback->next_;
    if (callback->next_ != nullptr) callback->next_->previous_ = callback->previous_;
    if (head_ == callback) head_ = callback->next_;
    callback->previous_ = callback->next_ = nullptr;
  }

  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  Status reason_;
  CancelCallback* head_ = nullptr;
};

}  // namespace internal

CancelCallback::~CancelCallback() {
  if (state_) state_->Remove(this);
}

bool CancelToken::cancelled() const { return state_ && state_->cancelled(); }

Status CancelToken::status() const { return state_ ? state_->status() : absl::OkStatus(); }

void CancelToken::OnCancel(CancelCallback& callback, CancelClosure closure) const {
  if (!state_) return;
  callback.closure_ = std::move(closure);
  callback.state_ = state_;
  state_->Add(&callback);
}

CancelSource::CancelSource() : state_(std::make_shared<internal::CancelState>()) {}

CancelSource::CancelSource(const CancelToken& parent) : CancelSource() {
  // The child's state outlives the callback, and the lock order is always parent before child.
  parent.OnCancel(parent_callback_, [child = std::weak_ptr(state_)](const Status& reason) {
    if (const auto state = child.lock()) state->Cancel(reason);
  });
}

CancelSource::~CancelSource() = default;

void CancelSource::Cancel(Status reason) {
  CHECK(!reason.ok());
  state_->Cancel(std::move(reason));
}

}  // namespace tessera
