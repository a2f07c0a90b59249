#pragma once
// A bounded queue between coroutines, or between a thread and a coroutine.

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/stream.h"
#include "runtime/waiter.h"

namespace tessera {

/// Bounded, ordered, one reader and any number of writers; thread-safe. The writer ends it with
/// Close(); the reader ends it with Abandon(), after which every send is refused with CANCELLED.
template <class T>
class Channel {
 public:
  explicit Channel(std::size_t capacity) : capacity_(capacity) { CHECK(capacity > 0); }

  /// For writers that are not coroutines. False when the channel is full, and then `item` is
  /// untouched, or when it has ended, and then nobody will read it.
  bool TrySend(T& item) {
    std::unique_lock lock(mutex_);
    if (ended_ || items_.size() >= capacity_) return false;
    Push(std::move(item), lock);
    return true;
  }

  /// Waits for room. CANCELLED when the reader has gone.
  Task<Status> Send(Ctx ctx, T item) {
    while (true) {
      std::optional<Waiter> waiter;  // only of who waits: most find room
      {
        std::unique_lock lock(mutex_);
        if (ended_) co_return absl::CancelledError("the reader of the stream has gone");
        if (items_.size() < capacity_) {
          Push(std::move(item), lock);
          co_return absl::OkStatus();
        }
        writers_.push_back(waiter.emplace(ctx).handle());
      }
      CO_TRY(co_await *waiter);
    }
  }

  /// The next item; nothing when the writer closed it well; the writer's error when not.
  Task<Result<std::optional<T>>> Receive(Ctx ctx) {
    while (true) {
      std::optional<Waiter> waiter;
      {
        std::unique_lock lock(mutex_);
        if (!items_.empty()) {
          std::optional<T> item(std::move(items_.front()));
          items_.pop_front();
          WakeWriter(lock);
          co_return item;
        }
        if (ended_) {
          if (end_.ok()) co_return std::nullopt;
          co_return end_;
        }
        reader_ = waiter.emplace(ctx).handle();
      }
      CO_TRY(co_await *waiter);
    }
  }

  /// No more items; those queued are still read. The first call wins.
  void Close(Status end = absl::OkStatus()) {
    std::unique_lock lock(mutex_);
    if (ended_) return;
    ended_ = true;
    end_ = std::move(end);
    WakeAll(lock);
  }

  /// The reader has gone: queued items are dropped, writers are refused, `on_space` is called.
  void Abandon() {
    std::deque<T> dropped;
    std::unique_lock lock(mutex_);
    abandoned_ = true;
    ended_ = true;
    dropped.swap(items_);
    WakeAll(lock);
  }

  bool abandoned() const {
    std::lock_guard lock(mutex_);
    return abandoned_;
  }
  bool full() const {
    std::lock_guard lock(mutex_);
    return !ended_ && items_.size() >= capacity_;
  }

  /// Called, without a lock held, whenever room appears in a full channel or the reader goes. Set
  /// before use.
  void SetOnSpace(Closure on_space) { on_space_ = std::move(on_space); }

 private:
  void Push(T item, std::unique_lock<std::mutex>& lock) {
    items_.push_back(std::move(item));
    const auto reader = std::exchange(reader_, std::nullopt);
    lock.unlock();
    if (reader) reader->Complete(absl::OkStatus());
  }

  void WakeWriter(std::unique_lock<std::mutex>& lock) {
    const bool was_full = items_.size() + 1 == capacity_;
    while (!writers_.empty()) {
      const WaiterHandle writer = writers_.front();
      writers_.erase(writers_.begin());
      lock.unlock();
      if (writer.Complete(absl::OkStatus())) return;  // else it was cancelled: wake another
      lock.lock();
    }
    lock.unlock();
    if (was_full && on_space_) on_space_();
  }

  void WakeAll(std::unique_lock<std::mutex>& lock) {
    const auto writers = std::exchange(writers_, {});
    const auto reader = std::exchange(reader_, std::nullopt);
    const bool abandoned = abandoned_;
    lock.unlock();
    for (const WaiterHandle& writer : writers) writer.Complete(absl::OkStatus());
    if (reader) reader->Complete(absl::OkStatus());
    if (abandoned && on_space_) on_space_();
  }

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::deque<T> items_;
  std::vector<WaiterHandle> writers_;  // few, and in most channels none: a deque would take memory
  std::optional<WaiterHandle> reader_;
  bool ended_ = false;
  bool abandoned_ = false;
  Status end_;
  Closure on_space_;
};

/// The reading end of a channel as a Stream; destroying it abandons the channel.
template <class T>
class ChannelStream final : public Stream<T> {
 public:
  explicit ChannelStream(std::shared_ptr<Channel<T>> channel) : channel_(std::move(channel)) {}
  ~ChannelStream() override { channel_->Abandon(); }
  Task<Result<std::optional<T>>> Next(Ctx ctx) override {
    return channel_->Receive(std::move(ctx));
  }

 private:
  const std::shared_ptr<Channel<T>> channel_;
};

}  // namespace tessera
