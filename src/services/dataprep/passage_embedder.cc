#include "services/dataprep/passage_embedder.h"

#include <algorithm>
#include <utility>

#include "base/str.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

constexpr int kAttempts = 12;  // with the pauses below: about a minute
constexpr auto kFirstPause = std::chrono::milliseconds(20);
constexpr auto kLongestPause = std::chrono::seconds(10);

bool IsOverload(const Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status);
}

}  // namespace

Task<Status> PassageSlab::Wait(Ctx ctx) {
  Waiter waiter(std::move(ctx));
  {
    std::lock_guard lock(mutex_);
    if (finished_ == texts_.size()) co_return status_;
    waiter_ = waiter.handle();
  }
  CO_TRY(co_await waiter);
  std::lock_guard lock(mutex_);
  co_return status_;
}

void PassageSlab::Abandon() {
  std::lock_guard lock(mutex_);
  abandoned_ = true;
}

void PassageSlab::Finish(std::size_t texts, const Status& status) {
  std::optional<WaiterHandle> waiter;
  {
    std::lock_guard lock(mutex_);
    finished_ += texts;
    if (status_.ok()) status_ = status;
    if (finished_ == texts_.size()) waiter = std::exchange(waiter_, std::nullopt);
  }
  if (waiter) waiter->Complete(absl::OkStatus());
}

void PassageEmbedder::Start(Scope& scope, Executor& executor) {
  for (std::size_t i = 0; i < limits_.calls; ++i)
    scope.Spawn(executor, Work(SystemCtx(scope.token())));
}

Task<Status> PassageEmbedder::Submit(Ctx ctx, std::shared_ptr<PassageSlab> slab) {
  const std::size_t texts = slab->texts_.size();
  if (texts == 0) co_return absl::OkStatus();
  while (true) {
    Waiter room(ctx);
    {
      std::lock_guard lock(mutex_);
      if (queued_ == 0 || queued_ + texts <= limits_.queued) {
        queued_ += texts;
        queue_.push_back(Piece{std::move(slab), 0, texts});
        break;
      }
      writers_.push_back(room.handle());
    }
    CO_TRY(co_await room);
  }
  WakeWorker();
  co_return absl::OkStatus();
}

void PassageEmbedder::WakeWorker() {
  while (true) {
    std::optional<WaiterHandle> worker;
    {
      std::lock_guard lock(mutex_);
      if (idle_.empty() || queue_.empty()) return;
      worker = std::move(idle_.front());
      idle_.pop_front();
    }
    if (worker->Complete(absl::OkStatus())) return;
  }
}

// Texts for one call: of one model, as many as a batch holds.
std::vector<PassageEmbedder::Piece> PassageEmbedder::Take() {
  std::vector<Piece> batch;
  std::deque<WaiterHandle> writers;
  {
    std::lock_guard lock(mutex_);
    std::size_t texts = 0;
    while (!queue_.empty() && texts < limits_.batch) {
      Piece& front = queue_.front();
      if (!batch.empty() && front.slab->model_ != batch.front().slab->model_) break;
      const std::size_t count = std::min(limits_.batch - texts, front.end - front.begin);
      batch.push_back(Piece{front.slab, front.begin, front.begin + count});
      front.begin += count;
      texts += count;
      if (front.begin == front.end) queue_.pop_front();
    }
    queued_ -= texts;
    writers = std::exchange(writers_, {});
  }
  for (const WaiterHandle& writer : writers) writer.Complete(absl::OkStatus());
  return batch;
}

Task<void> PassageEmbedder::Work(Ctx ctx) {
  while (ctx.Check().ok()) {
    std::vector<Piece> batch = Take();
    if (!batch.empty()) {
      WakeWorker();  // there may be more than one batch
      co_await Run(ctx, std::move(batch));
      continue;
    }
    Waiter work(ctx);
    {
      std::lock_guard lock(mutex_);
      if (!queue_.empty()) continue;
      idle_.push_back(work.handle());
    }
    const Status ignored = co_await work;
  }
}

Task<void> PassageEmbedder::Run(Ctx ctx, std::vector<Piece> batch) {
  v1::EmbedRequest request;
  request.set_model(batch.front().slab->model_);
  std::vector<Piece> sent;
  for (Piece& piece : batch) {
    bool abandoned;
    {
      std::lock_guard lock(piece.slab->mutex_);
      abandoned = piece.slab->abandoned_;
    }
    if (abandoned) {
      piece.slab->Finish(piece.end - piece.begin, absl::CancelledError("nobody waits for it"));
      continue;
    }
    for (std::size_t i = piece.begin; i < piece.end; ++i)
      request.add_texts(std::move(piece.slab->texts_[i]));
    sent.push_back(std::move(piece));
  }
  if (sent.empty()) co_return;
  const int texts = request.texts_size();
  Result<v1::EmbedReply> reply = co_await Call(std::move(ctx), std::move(request));
  if (reply.ok() && reply->vectors_size() != texts) {
    reply = absl::InternalError(
        StrCat("embedder: ", reply->vectors_size(), " vectors came back for ", texts, " texts"));
  }
  int next = 0;
  for (Piece& piece : sent) {
    if (reply.ok()) {
      for (std::size_t i = piece.begin; i < piece.end; ++i)
        piece.slab->vectors_[i] = std::move(*reply->mutable_vectors(next++));
      std::lock_guard lock(piece.slab->mutex_);
      piece.slab->digest_ = reply->digest();
      piece.slab->truncated_ += reply->truncated();
    }
    piece.slab->Finish(piece.end - piece.begin, reply.status());
  }
}

Task<Result<v1::EmbedReply>> PassageEmbedder::Call(Ctx ctx, v1::EmbedRequest request) {
  Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    Result<v1::EmbedReply> reply = co_await inference_.Embed(ctx, request);
    if (reply.ok() || !IsOverload(reply.status()) || attempt == kAttempts) co_return reply;
    CO_TRY(co_await SleepFor(ctx, pause));
    pause = std::min<Duration>(pause * 2, kLongestPause);
  }
}

}  // namespace tessera
