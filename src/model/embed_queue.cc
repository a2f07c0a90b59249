#include "model/embed_queue.h"

#include <algorithm>

#include "base/str.h"
#include "model/language_model.h"

namespace tessera {

void EmbedCall::Finish(std::size_t count, const Status& how) {
  if (!how.ok()) {
    std::lock_guard lock(mutex);
    if (status.ok()) status = how;
  }
  if (left.fetch_sub(count) != count) return;
  Status result;
  {
    std::lock_guard lock(mutex);
    result = status;
  }
  if (done) done->Complete(result);
}

EmbedQueue::EmbedQueue(EmbedQueueLimits limits)
    : limits_(limits), probe_("queue", "embedder", [this] { return Use(); }) {
  std::lock_guard lock(mutex_);  // it may be asked already
  for (Lane& lane : lanes_) lane.buckets.resize((limits_.tokens_max + kStep - 1) / kStep + 1);
}

ResourceUse EmbedQueue::Use() const {
  std::lock_guard lock(mutex_);
  ResourceUse use;
  use.capacity = static_cast<std::int64_t>(limits_.waiting);
  use.used = use.waiting = static_cast<std::int64_t>(lanes_[0].size + lanes_[1].size);
  use.done = sequence_;
  use.rejected = rejected_;
  return use;
}

Status EmbedQueue::Add(const std::shared_ptr<EmbedCall>& call) {
  const std::size_t count = call->ids.size();
  {
    std::lock_guard lock(mutex_);
    if (closed_) return absl::UnavailableError("the embedder is being stopped");
    if (lanes_[0].size + lanes_[1].size + count > limits_.waiting) {
      ++rejected_;
      return Busy(StrCat("the embedder has ", lanes_[0].size + lanes_[1].size,
                         " texts waiting, of at most ", limits_.waiting),
                  1000);
    }
    Lane& lane = lanes_[count <= limits_.small_call ? 0 : 1];
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t bucket = (call->ids[i].size() + kStep - 1) / kStep;
      lane.buckets[std::min(bucket, lane.buckets.size() - 1)].push_back({call, i, sequence_++});
    }
    lane.size += count;
  }
  ready_.notify_all();
  return absl::OkStatus();
}

// The bucket whose first text is the oldest.
bool EmbedQueue::TakeFrom(Lane& lane, EmbedBatch& batch, std::vector<EmbedItem>& dropped) {
  while (lane.size > 0) {
    std::size_t best = lane.buckets.size();
    for (std::size_t i = 0; i < lane.buckets.size(); ++i) {
      if (lane.buckets[i].empty()) continue;
      if (best == lane.buckets.size() ||
          lane.buckets[i].front().sequence < lane.buckets[best].front().sequence)
        best = i;
    }
    std::deque<EmbedItem>& bucket = lane.buckets[best];
    while (!bucket.empty() && batch.items.size() < limits_.batch_texts) {
      EmbedItem item = std::move(bucket.front());
      bucket.pop_front();
      --lane.size;
      const bool wanted = item.call->ctx.Check().ok();
      (wanted ? batch.items : dropped).push_back(std::move(item));
    }
    if (batch.items.empty()) continue;
    batch.length = std::min(best * kStep, limits_.tokens_max);
    return true;
  }
  return false;
}

std::optional<EmbedBatch> EmbedQueue::Take() {
  EmbedBatch batch;
  std::vector<EmbedItem> dropped;
  {
    std::unique_lock lock(mutex_);
    while (batch.items.empty()) {
      ready_.wait(lock, [this] { return closed_ || lanes_[0].size + lanes_[1].size > 0; });
      if (closed_) return std::nullopt;
      const bool large_first = small_in_a_row_ >= kSmallInARow;
      if (TakeFrom(lanes_[large_first ? 1 : 0], batch, dropped)) {
        small_in_a_row_ = large_first ? 0 : small_in_a_row_ + 1;
      } else if (TakeFrom(lanes_[large_first ? 0 : 1], batch, dropped)) {
        small_in_a_row_ = 0;
      }
      if (!dropped.empty()) break;
    }
  }
  for (const EmbedItem& item : dropped) item.call->Finish(1, item.call->ctx.Check());
  return batch;
}

void EmbedQueue::Close() {
  std::vector<EmbedItem> dropped;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for (Lane& lane : lanes_) {
      for (auto& bucket : lane.buckets) {
        for (EmbedItem& item : bucket) dropped.push_back(std::move(item));
        bucket.clear();
      }
      lane.size = 0;
    }
  }
  ready_.notify_all();
  for (const EmbedItem& item : dropped)
    item.call->Finish(1, absl::UnavailableError("the embedder is being stopped"));
}

}  // namespace tessera
