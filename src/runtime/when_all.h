#pragma once
// Several tasks at once.

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/waiter.h"

namespace tessera {

/// Starts every task on the calling thread, one after the other up to its first wait, and returns
/// their values in order once all have ended. To run them truly side by side let each begin with
/// SwitchTo(pool).
template <class T>
Task<std::vector<T>> WhenAll(std::vector<Task<T>> tasks) {
  struct Shared {
    std::vector<std::optional<T>> values;
    std::atomic<std::size_t> left;
  };
  auto shared = std::make_shared<Shared>();
  shared->values.resize(tasks.size());
  shared->left = tasks.size() + 1;
  Waiter waiter{Ctx()};
  const WaiterHandle all_done = waiter.handle();
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    Spawn(std::move(tasks[i]), [shared, all_done, i](T value) {
      shared->values[i].emplace(std::move(value));
      if (shared->left.fetch_sub(1) == 1) all_done.Complete(absl::OkStatus());
    });
  }
  if (shared->left.fetch_sub(1) == 1) all_done.Complete(absl::OkStatus());
  const Status ignored = co_await waiter;
  std::vector<T> values;
  values.reserve(shared->values.size());
  for (std::optional<T>& value : shared->values) values.push_back(*std::move(value));
  co_return values;
}

}  // namespace tessera
