#pragma once
// Texts of many documents to vectors, in batches that keep the embedder busy.

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/ctx.h"
#include "runtime/scope.h"
#include "runtime/waiter.h"
#include "tessera/v1/inference.tessera.h"

namespace tessera {

/// Some texts of one document on their way through the embedder. Shared by the document, which
/// waits for it, and the queue, which fills in the vectors.
class PassageSlab {
 public:
  PassageSlab(std::string model, std::vector<std::string> texts)
      : model_(std::move(model)), texts_(std::move(texts)), vectors_(texts_.size()) {}

  /// Until every text has its vector, or the embedder's error. Awaited by one, once.
  Task<Status> Wait(Ctx ctx);
  /// Nobody waits any more: texts not yet sent are dropped.
  void Abandon();

  /// After Wait() was OK: one a text, in order.
  std::vector<v1::Vector>& vectors() { return vectors_; }
  const std::string& digest() const { return digest_; }
  /// Texts that were longer than the model reads; counted by batch, so shared by its documents.
  std::uint32_t truncated() const { return truncated_; }

 private:
  friend class PassageEmbedder;
  void Finish(std::size_t texts, const Status& status);

  const std::string model_;
  std::vector<std::string> texts_;
  std::vector<v1::Vector> vectors_;
  std::mutex mutex_;  // for all below
  std::size_t finished_ = 0;
  bool abandoned_ = false;
  Status status_;
  std::string digest_;
  std::uint32_t truncated_ = 0;
  std::optional<WaiterHandle> waiter_;
};

/// A bounded queue before Inference.Embed. Several calls are in flight at once; each takes texts of
/// as many documents as its batch has room for. An embedder that is overloaded is asked again.
/// Thread-safe.
class PassageEmbedder {
 public:
  struct Limits {
    std::size_t batch = 64;    ///< texts a call
    std::size_t calls = 3;     ///< calls in flight
    std::size_t queued = 512;  ///< texts waiting; then Submit waits
  };
  PassageEmbedder(Limits limits, Inference& inference) : limits_(limits), inference_(inference) {}

  /// Starts the calls; they end with `scope`.
  void Start(Scope& scope, Executor& executor);
  /// Waits for room, then returns; the vectors come through the slab.
  Task<Status> Submit(Ctx ctx, std::shared_ptr<PassageSlab> slab);

 private:
  struct Piece {
    std::shared_ptr<PassageSlab> slab;
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  Task<void> Work(Ctx ctx);
  Task<void> Run(Ctx ctx, std::vector<Piece> batch);
  Task<Result<v1::EmbedReply>> Call(Ctx ctx, v1::EmbedRequest request);
  std::vector<Piece> Take();
  void WakeWorker();

  const Limits limits_;
  Inference& inference_;
  std::mutex mutex_;
  std::deque<Piece> queue_;
  std::size_t queued_ = 0;
  std::deque<WaiterHandle> idle_;     // workers
  std::deque<WaiterHandle> writers_;  // that wait for room
};

}  // namespace tessera
