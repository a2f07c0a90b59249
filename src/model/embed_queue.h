#pragma once
// Gathers texts of many calls into batches of like length.

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/ctx.h"
#include "runtime/resource_use.h"
#include "runtime/waiter.h"

namespace tessera {

/// One call of Embed under way. Each item's vector is written by the worker that computed it; the
/// last one wakes the caller.
struct EmbedCall {
  explicit EmbedCall(Ctx call) : ctx(std::move(call)) {}
  Ctx ctx;
  std::vector<std::vector<std::int32_t>> ids;  // of each text, with the special tokens
  std::vector<std::vector<float>> vectors;
  std::atomic<std::size_t> left{0};
  std::mutex mutex;
  Status status;  // the first failure, under `mutex`
  std::optional<WaiterHandle> done;

  /// Counts `count` texts as done, well or not.
  void Finish(std::size_t count, const Status& how);
};

struct EmbedItem {
  std::shared_ptr<EmbedCall> call;
  std::size_t text = 0;
  std::uint64_t sequence = 0;
};

/// Texts of about one length, to be computed together, padded to `length` tokens.
struct EmbedBatch {
  std::size_t length = 0;
  std::vector<EmbedItem> items;
};

struct EmbedQueueLimits {
  std::size_t tokens_max = 256;  ///< of one text
  std::size_t batch_texts = 8;   ///< most texts of a batch
  std::size_t waiting = 16384;   ///< most texts that wait
  std::size_t small_call = 4;    ///< a call of at most so many texts goes before larger ones
};

/// First come, first served, but: a batch takes texts of like length from all calls, and small
/// calls (a search's query) overtake large ones (an ingest). Thread-safe.
class EmbedQueue {
 public:
  explicit EmbedQueue(EmbedQueueLimits limits);

  /// RESOURCE_EXHAUSTED when too many texts wait, UNAVAILABLE once closed.
  Status Add(const std::shared_ptr<EmbedCall>& call);
  /// Waits for texts; nothing once closed. Skips calls that were cancelled.
  std::optional<EmbedBatch> Take();
  /// Ends waiting calls and all Take().
  void Close();

 private:
  static constexpr std::size_t kStep = 8;  // lengths are rounded up to a multiple of it
  static constexpr int kSmallInARow = 4;   // batches, before a large call gets its turn
  struct Lane {
    std::vector<std::deque<EmbedItem>> buckets;  // by rounded length
    std::size_t size = 0;
  };
  ResourceUse Use() const;
  bool TakeFrom(Lane& lane, EmbedBatch& batch, std::vector<EmbedItem>& dropped);

  const EmbedQueueLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::array<Lane, 2> lanes_;  // small calls, large calls
  std::uint64_t sequence_ = 0;
  int small_in_a_row_ = 0;
  bool closed_ = false;
  std::uint64_t rejected_ = 0;
  ResourceProbe probe_;
};

}  // namespace tessera
