#pragma once
// The thread that owns a llama.cpp context and computes for all answers at once.

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "model/llama_handles.h"
#include "model/llama_sampling.h"
#include "model/llama_text.h"
#include "model/prefix_cache.h"
#include "model/text_filter.h"
#include "model/thread_governor.h"
#include "runtime/channel.h"
#include "runtime/resource_use.h"
#include "telemetry/metrics.h"
#include "telemetry/trace.h"

namespace tessera {

struct LlamaLimits {
  int threads = 1;
  std::uint32_t context_tokens = 4096;  ///< of one answer, prompt included
  std::uint32_t slots = 8;              ///< answers computed side by side
  std::size_t queue = 64;               ///< answers that wait for a slot
  std::uint32_t batch_tokens = 512;     ///< most tokens in one step
};

/// One answer in the making. Made by LlamaModel, then owned and changed by the engine's thread.
struct LlamaAnswer {
  LlamaAnswer(Ctx call, std::vector<std::int32_t> tokens, LlamaSampling how, TextFilter text,
              std::uint32_t most)
      : ctx(std::move(call)),
        prompt(std::move(tokens)),
        sampling(std::move(how)),
        filter(std::move(text)),
        max_tokens(most),
        out(std::make_shared<Channel<v1::GenerateEvent>>(kUnread)) {}

  static constexpr std::size_t kUnread = 16;  // events, before the answer pauses

  Ctx ctx;
  std::vector<std::int32_t> prompt;
  LlamaSampling sampling;
  TextFilter filter;
  std::uint32_t max_tokens;
  std::shared_ptr<Channel<v1::GenerateEvent>> out;
  std::uint32_t generated = 0;
  std::uint32_t cached = 0;  // tokens of the prompt that were reused
  std::int32_t next = -1;    // chosen, not yet computed; -1 while the prompt is computed
  bool started = false;      // an event was sent
  bool logprobs = false;
  std::uint32_t top_logprobs = 0;
  std::vector<v1::TokenLogprob> unsent;  // of tokens whose text waits for its next event
  CancelCallback on_cancel;
  SpanScope waiting;  // for a slot
};

/// Continuous batching: every step computes one token of each answer under way, and a piece of the
/// prompts of new ones, small enough that the others do not stall. Submit and Stop are thread-safe.
class LlamaEngine {
 public:
  static Result<std::unique_ptr<LlamaEngine>> Start(llama_model& model, const LlamaText& text,
                                                    std::string name, LlamaLimits limits);
  ~LlamaEngine();

  /// Takes the answer over; its events come out of `answer->out`. RESOURCE_EXHAUSTED when the queue
  /// is full, UNAVAILABLE once stopped.
  Status Submit(std::unique_ptr<LlamaAnswer> answer);
  /// Ends all answers with UNAVAILABLE and the thread with them.
  void Stop();

  /// Tokens that one answer may have, prompt included.
  std::uint32_t context_tokens() const { return context_tokens_; }

 private:
  // Outlives the engine: channels and cancellations may still call it.
  struct Doorbell {
    std::mutex mutex;
    std::condition_variable rung;
    bool ringing = false;
    void Ring();
  };
  struct Slot {
    std::unique_ptr<LlamaAnswer> answer;
    std::uint64_t admitted = 0;
  };
  // What one slot has in the batch of a step.
  struct Share {
    std::size_t slot;
    std::vector<std::int32_t> tokens;
    int logits;  // index in the batch of the token whose logits are wanted, or -1
  };
  struct Counters {
    explicit Counters(const std::string& model);
    Counter& prompt;
    Counter& cached;
    Counter& completion;
    Counter& steps;
    Gauge& active;
    Gauge& waiting;
    std::atomic<std::uint64_t> refused{0};
  };

  LlamaEngine(const LlamaText& text, std::string name, LlamaLimits limits);
  Status Open(llama_model& model);
  void Run();
  bool WaitForWork(bool idle);
  void DropCancelled();
  void Admit(std::unique_ptr<LlamaAnswer> answer);
  void CopyPrefix(std::size_t from, std::size_t to);
  std::vector<Share> PlanStep();
  Status Compute(const std::vector<Share>& shares);
  void Advance(Share& share);
  void Emit(std::size_t slot, std::string text, v1::FinishReason reason);
  void Release(std::size_t slot);
  void FailAll(const Status& status);
  bool AnySlotFree() const;

  const LlamaText& text_;
  const std::string name_;
  const LlamaLimits limits_;
  std::uint32_t context_tokens_ = 0;
  const std::shared_ptr<Doorbell> bell_ = std::make_shared<Doorbell>();
  std::deque<std::unique_ptr<LlamaAnswer>> queue_;  // under bell_->mutex
  bool stopping_ = false;                           // under bell_->mutex

  // Below: only the thread.
  struct Batch;
  LlamaThreadsPtr threads_;  // before the context: it is used until the context ends
  LlamaContextPtr context_;
  std::unique_ptr<Batch> batch_;
  std::vector<Slot> slots_;
  std::vector<CachedSlot> cache_;
  ThreadGovernor governor_;
  std::uint64_t clock_ = 0;
  Counters counters_;
  std::mutex stop_mutex_;
  std::thread thread_;
  ResourceProbe probe_;
};

}  // namespace tessera
