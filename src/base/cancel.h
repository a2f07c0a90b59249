#pragma once
// Cancellation: a source is cancelled once, with a reason; tokens see it and run callbacks.

#include <atomic>
#include <memory>
#include <mutex>

#include "base/executor.h"
#include "base/status.h"

namespace tessera {

namespace internal {
class CancelState;
}

/// What runs when a token is cancelled; gets the reason.
using CancelClosure = absl::AnyInvocable<void(const Status& reason)>;

/// Runs a closure when a token is cancelled. The closure must only post or set flags: it runs under
/// the token's lock, on the cancelling thread. After the destructor returns it neither runs nor
/// will run.
class CancelCallback {
 public:
  CancelCallback() = default;
  ~CancelCallback();
  CancelCallback(const CancelCallback&) = delete;

 private:
  friend class CancelToken;
  friend class internal::CancelState;
  std::shared_ptr<internal::CancelState> state_;
  CancelCallback* previous_ = nullptr;
  CancelCallback* next_ = nullptr;
  CancelClosure closure_;
};

/// Sees whether a CancelSource was cancelled. Cheap to copy; thread-safe. A default one is never
/// cancelled.
class CancelToken {
 public:
  CancelToken() = default;
  bool cancelled() const;
  /// OK, or why it was cancelled: CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE (shutdown).
  Status status() const;
  /// Arms `callback`; runs it at once when the token is cancelled already. One use a callback.
  void OnCancel(CancelCallback& callback, CancelClosure closure) const;

 private:
  friend class CancelSource;
  explicit CancelToken(std::shared_ptr<internal::CancelState> state) : state_(std::move(state)) {}
  std::shared_ptr<internal::CancelState> state_;
};

/// The side that cancels. A child source is cancelled with its parent, not the other way round.
/// Thread-safe.
class CancelSource {
 public:
  CancelSource();
  explicit CancelSource(const CancelToken& parent);
  ~CancelSource();
  CancelSource(const CancelSource&) = delete;
  CancelToken token() const { return CancelToken(state_); }
  /// The first call wins; `reason` must not be OK.
  void Cancel(Status reason);

 private:
  std::shared_ptr<internal::CancelState> state_;
  CancelCallback parent_callback_;
};

}  // namespace tessera
