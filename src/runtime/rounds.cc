#include "runtime/rounds.h"

#include <utility>

namespace tessera {

Rounds::Rounds(Duration interval, std::function<void(Why)> work)
    : interval_(interval), work_(std::move(work)), thread_([this] { Run(); }) {}

void Rounds::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    const std::uint64_t asked = asked_;
    const bool last = stopping_;
    const Why why = last ? Why::kEnd : asked > done_ ? Why::kAsked : Why::kTime;
    lock.unlock();
    work_(why);
    lock.lock();
    done_ = asked;
    wake_.notify_all();
    if (last) return;
    wake_.wait_for(lock, interval_, [this] { return stopping_ || asked_ > done_; });
  }
}

void Rounds::Flush(Duration limit) {
  std::unique_lock lock(mutex_);
  const std::uint64_t mine = ++asked_;
  wake_.notify_all();
  wake_.wait_for(lock, limit, [&] { return stopping_ || done_ >= mine; });
}

void Rounds::Stop() {
  std::lock_guard alone(stop_);
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace tessera
