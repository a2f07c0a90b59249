#include "model/llama_engine.h"

#include <algorithm>
#include <exception>
#include <span>

#include <ggml-cpu.h>
#include <llama.h>
#include <pthread.h>

#include "base/str.h"
#include "model/language_model.h"
#include "model/llama_logprobs.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

// How long a step may keep the answers under way from their next token, and how long one may be at
// all (a cancellation is seen between steps).
constexpr double kStallSeconds = 0.1;
constexpr double kStepSeconds = 0.25;
constexpr std::uint32_t kRetryAfterMs = 1000;

Labels OfModel(const std::string& model) { return {{"model", model}}; }

}  // namespace

struct LlamaEngine::Batch {
  explicit Batch(std::int32_t tokens) : batch(llama_batch_init(tokens, 0, 1)) {}
  ~Batch() { llama_batch_free(batch); }
  Batch(const Batch&) = delete;

  /// Returns the token's index.
  int Add(std::int32_t token, std::size_t position, std::size_t slot, bool logits) {
    const auto i = static_cast<std::size_t>(batch.n_tokens);
    batch.token[i] = token;
    batch.pos[i] = static_cast<llama_pos>(position);
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = static_cast<llama_seq_id>(slot);
    batch.logits[i] = logits ? 1 : 0;
    return batch.n_tokens++;
  }

  llama_batch batch;
};

LlamaEngine::Counters::Counters(const std::string& model)
    : prompt(Metrics::Process().NewCounter("tessera_llm_prompt_tokens_total", "Tokens of prompts.",
                                           OfModel(model))),
      cached(Metrics::Process().NewCounter("tessera_llm_cached_tokens_total",
                                           "Tokens of prompts that were reused.", OfModel(model))),
      completion(Metrics::Process().NewCounter("tessera_llm_completion_tokens_total",
                                               "Tokens of answers.", OfModel(model))),
      steps(Metrics::Process().NewCounter("tessera_llm_steps_total", "Batches computed.",
                                          OfModel(model))),
      active(Metrics::Process().NewGauge("tessera_llm_active", "Answers being computed.",
                                         OfModel(model))),
      waiting(Metrics::Process().NewGauge("tessera_llm_waiting", "Answers that wait for a slot.",
                                          OfModel(model))) {}

void LlamaEngine::Doorbell::Ring() {
  {
    std::lock_guard lock(mutex);
    ringing = true;
  }
  rung.notify_one();
}

LlamaEngine::LlamaEngine(const LlamaText& text, std::string name, LlamaLimits limits)
    : text_(text),
      name_(std::move(name)),
      limits_(limits),
      governor_(limits.threads),
      counters_(name_),
      probe_("slots", name_, [this] {
        ResourceUse use;
        use.capacity = static_cast<std::int64_t>(limits_.slots);
        use.used = counters_.active.value();
        use.waiting = counters_.waiting.value();
        use.rejected = counters_.refused.load(std::memory_order_relaxed);
        return use;
      }) {}

LlamaEngine::~LlamaEngine() { Stop(); }

Result<std::unique_ptr<LlamaEngine>> LlamaEngine::Start(llama_model& model, const LlamaText& text,
                                                        std::string name, LlamaLimits limits) {
  std::unique_ptr<LlamaEngine> engine(new LlamaEngine(text, std::move(name), limits));
  TRY(engine->Open(model));
  engine->thread_ = std::thread([raw = engine.get()] { raw->Run(); });
  return engine;
}

Status LlamaEngine::Open(llama_model& model) {
  llama_context_params params = llama_context_default_params();
  const auto trained = static_cast<std::uint32_t>(llama_model_n_ctx_train(&model));
  const std::uint32_t context = std::min(limits_.context_tokens, trained);
  params.n_ctx = context * limits_.slots;
  params.n_seq_max = limits_.slots;
  params.n_batch = params.n_ubatch = std::max(limits_.batch_tokens, limits_.slots);
  params.n_threads = params.n_threads_batch = limits_.threads;
  params.kv_unified = false;  // each answer attends to its own tokens only: measured 1.5x at eight
  params.no_perf = true;
  try {
    context_.reset(llama_init_from_model(&model, params));
  } catch (const std::exception& error) {
    return absl::ResourceExhaustedError(
        StrCat("model ", name_, ": cannot make a context: ", error.what()));
  }
  if (context_ == nullptr) {
    return absl::ResourceExhaustedError(
        StrCat("model ", name_, ": no memory for ", limits_.slots, " answers of ", context,
               " tokens; set fewer slots or a smaller context_tokens"));
  }
  ggml_threadpool_params pool = ggml_threadpool_params_default(limits_.threads);
  pool.poll = 0;  // sleep between steps
  threads_.reset(ggml_threadpool_new(&pool));
  llama_attach_threadpool(context_.get(), threads_.get(), threads_.get());
  context_tokens_ = std::min(llama_n_ctx_seq(context_.get()), context);
  batch_ = std::make_unique<Batch>(static_cast<std::int32_t>(params.n_batch));
  slots_.resize(limits_.slots);
  cache_.resize(limits_.slots);
  return absl::OkStatus();
}

Status LlamaEngine::Submit(std::unique_ptr<LlamaAnswer> answer) {
  const std::weak_ptr<Doorbell> bell = bell_;
  const auto ring = [bell] {
    if (const auto alive = bell.lock()) alive->Ring();
  };
  answer->out->SetOnSpace(ring);
  Ctx inner = answer->ctx;
  answer->waiting = SpanScope(inner, "wait for a slot");
  LlamaAnswer& taken = *answer;
  {
    std::lock_guard lock(bell_->mutex);
    if (stopping_) return absl::UnavailableError(StrCat("model ", name_, " is being stopped"));
    if (queue_.size() >= limits_.queue) {
      counters_.refused.fetch_add(1, std::memory_order_relaxed);
      return Busy(StrCat("model ", name_, ": ", queue_.size(),
                         " requests wait already, which is the limit"),
                  kRetryAfterMs);
    }
    answer->waiting.Set("tessera.waiting", queue_.size());
    queue_.push_back(std::move(answer));
    bell_->ringing = true;
    // Under the lock: the thread cannot free the answer before the callback is armed.
    taken.ctx.cancel().OnCancel(taken.on_cancel, [bell](const Status&) {
      if (const auto alive = bell.lock()) alive->rung.notify_one();
    });
  }
  bell_->rung.notify_one();
  return absl::OkStatus();
}

void LlamaEngine::Stop() {
  std::lock_guard stopping(stop_mutex_);
  {
    std::lock_guard lock(bell_->mutex);
    stopping_ = true;
    bell_->ringing = true;
  }
  bell_->rung.notify_one();
  if (thread_.joinable()) thread_.join();
}

void LlamaEngine::Run() {
  pthread_setname_np(pthread_self(), "llama");
  bool idle = true;
  while (WaitForWork(idle)) {
    DropCancelled();
    std::vector<Share> shares = PlanStep();
    idle = shares.empty();
    if (idle) continue;
    const Status computed = Compute(shares);
    if (!computed.ok()) {
      Log(LogLevel::kError, "a step of a language model failed",
          {{"model", name_}, {"error", StdView(computed.message())}});
      FailAll(computed);
      continue;
    }
    for (Share& share : shares) Advance(share);
  }
  FailAll(absl::UnavailableError(StrCat("model ", name_, " is being stopped")));
}

bool LlamaEngine::AnySlotFree() const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const Slot& slot) { return slot.answer == nullptr; });
}

// Takes what waits into free slots; sleeps first when there is nothing to compute.
bool LlamaEngine::WaitForWork(bool idle) {
  // A cancelled answer whose reader sleeps is found at the next look: a cancellation only notifies.
  constexpr auto kLook = std::chrono::milliseconds(200);
  std::vector<std::unique_ptr<LlamaAnswer>> dropped;
  while (true) {
    std::unique_lock lock(bell_->mutex);
    const bool admissible = !queue_.empty() && AnySlotFree();
    if (idle && !admissible && !bell_->ringing && !stopping_) {
      const bool paused = std::any_of(slots_.begin(), slots_.end(),
                                      [](const Slot& slot) { return slot.answer != nullptr; });
      if (paused) {
        bell_->rung.wait_for(lock, kLook);
      } else {
        bell_->rung.wait(lock);
      }
    }
    bell_->ringing = false;
    if (stopping_) {
      for (auto& answer : queue_) dropped.push_back(std::move(answer));
      queue_.clear();
      break;
    }
    for (auto it = queue_.begin(); it != queue_.end();) {
      if ((*it)->ctx.Check().ok() && !(*it)->out->abandoned()) {
        ++it;
        continue;
      }
      dropped.push_back(std::move(*it));
      it = queue_.erase(it);
    }
    counters_.waiting.Set(static_cast<std::int64_t>(queue_.size()));
    if (queue_.empty() || !AnySlotFree()) {
      lock.unlock();
      for (auto& answer : dropped) answer->out->Close(answer->ctx.Check());
      return true;
    }
    std::unique_ptr<LlamaAnswer> answer = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    Admit(std::move(answer));
    idle = false;
  }
  for (auto& answer : dropped)
    answer->out->Close(absl::UnavailableError(StrCat("model ", name_, " is being stopped")));
  return false;
}

void LlamaEngine::Admit(std::unique_ptr<LlamaAnswer> answer) {
  answer->waiting.End(absl::StatusCode::kOk);
  const SlotChoice choice = ChooseSlot(cache_, answer->prompt);
  const auto slot = static_cast<std::size_t>(choice.slot);
  const llama_memory_t memory = llama_get_memory(context_.get());
  std::size_t keep = choice.keep;
  if (choice.donor >= 0) {
    CopyPrefix(static_cast<std::size_t>(choice.donor), slot);
    keep = std::min(choice.reused, cache_[slot].tokens.size());
  }
  const auto sequence = static_cast<llama_seq_id>(slot);
  if (!llama_memory_seq_rm(memory, sequence, static_cast<llama_pos>(keep), -1)) {
    llama_memory_seq_rm(memory, sequence, -1, -1);  // a model that cannot forget only the end
    keep = 0;
  }
  cache_[slot].tokens.resize(keep);
  cache_[slot].busy = true;
  answer->cached = static_cast<std::uint32_t>(keep);
  counters_.prompt.Add(answer->prompt.size());
  counters_.cached.Add(keep);
  counters_.active.Add(1);
  slots_[slot].answer = std::move(answer);
  slots_[slot].admitted = ++clock_;
}

// Slots do not share memory, so a prefix is copied through a buffer.
void LlamaEngine::CopyPrefix(std::size_t from, std::size_t to) {
  const auto source = static_cast<llama_seq_id>(from);
  const auto target = static_cast<llama_seq_id>(to);
  std::vector<std::uint8_t> state(llama_state_seq_get_size(context_.get(), source));
  const std::size_t size =
      llama_state_seq_get_data(context_.get(), state.data(), state.size(), source);
  llama_memory_seq_rm(llama_get_memory(context_.get()), target, -1, -1);
  cache_[to].tokens.clear();
  if (size == 0) return;
  if (llama_state_seq_set_data(context_.get(), state.data(), size, target) == 0) return;
  cache_[to].tokens = cache_[from].tokens;
}

void LlamaEngine::DropCancelled() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].answer == nullptr) continue;
    const Status wanted = slots_[i].answer->ctx.Check();
    if (wanted.ok() && !slots_[i].answer->out->abandoned()) continue;
    slots_[i].answer->out->Close(wanted);
    Release(i);
  }
}

std::vector<LlamaEngine::Share> LlamaEngine::PlanStep() {
  std::vector<Share> shares;
  std::vector<std::size_t> prompts;
  batch_->batch.n_tokens = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const LlamaAnswer* answer = slots_[i].answer.get();
    if (answer == nullptr) continue;
    if (answer->next < 0) {
      prompts.push_back(i);
    } else if (!answer->out->full()) {  // else its reader is slow: it pauses
      const int at = batch_->Add(answer->next, cache_[i].tokens.size(), i, true);
      shares.push_back({i, {answer->next}, at});
    }
  }
  const double seconds = shares.empty() ? kStepSeconds : kStallSeconds;
  const auto used = static_cast<std::size_t>(batch_->batch.n_tokens);
  std::size_t budget = std::min<std::size_t>(governor_.PromptTokensIn(seconds),
                                             std::max(limits_.batch_tokens, limits_.slots) - used);
  std::sort(prompts.begin(), prompts.end(), [this](std::size_t a, std::size_t b) {
    return slots_[a].admitted < slots_[b].admitted;
  });
  for (const std::size_t i : prompts) {
    const std::vector<std::int32_t>& prompt = slots_[i].answer->prompt;
    const std::size_t begin = cache_[i].tokens.size();
    const std::size_t count = std::min(budget, prompt.size() - begin);
    if (count == 0) break;
    Share share{i, {}, -1};
    for (std::size_t k = begin; k < begin + count; ++k) {
      const bool last = k + 1 == prompt.size();
      const int at = batch_->Add(prompt[k], k, i, last);
      if (last) share.logits = at;
      share.tokens.push_back(prompt[k]);
    }
    shares.push_back(std::move(share));
    budget -= count;
  }
  return shares;
}

Status LlamaEngine::Compute(const std::vector<Share>& shares) {
  const auto tokens = static_cast<std::size_t>(batch_->batch.n_tokens);
  const int threads = governor_.Threads(tokens);
  llama_set_n_threads(context_.get(), threads, threads);
  const SteadyTime begin = Now();
  std::int32_t code = 0;
  try {
    code = llama_decode(context_.get(), batch_->batch);
    llama_synchronize(context_.get());
  } catch (const std::exception& error) {
    return absl::InternalError(StrCat("model ", name_, ": computing failed: ", error.what()));
  }
  governor_.Report(tokens, std::chrono::duration<double>(Now() - begin).count());
  counters_.steps.Add();
  if (code != 0)
    return absl::InternalError(StrCat("model ", name_, ": computing failed with code ", code));
  for (const Share& share : shares) {
    std::vector<std::int32_t>& cached = cache_[share.slot].tokens;
    cached.insert(cached.end(), share.tokens.begin(), share.tokens.end());
  }
  return absl::OkStatus();
}

// Chooses the next token of a slot whose logits were computed, and sends what it says.
void LlamaEngine::Advance(Share& share) {
  if (share.logits < 0) return;
  LlamaAnswer& answer = *slots_[share.slot].answer;
  const auto size = static_cast<std::size_t>(llama_vocab_n_tokens(text_.vocabulary()));
  const float* logits = llama_get_logits_ith(context_.get(), share.logits);
  const Result<std::int32_t> token = answer.sampling.Next(std::span(logits, size));
  if (!token.ok()) {
    answer.out->Close(token.status());
    Release(share.slot);
    return;
  }
  if (text_.IsEnd(*token)) {
    Emit(share.slot, answer.filter.Finish(), v1::FINISH_REASON_STOP);
    return;
  }
  ++answer.generated;
  counters_.completion.Add();
  if (answer.logprobs) {
    answer.unsent.push_back(LogprobOf(text_, std::span(logits, size), *token, answer.top_logprobs));
  }
  std::string text = answer.filter.Push(text_.Piece(*token));
  if (answer.filter.stopped()) {
    Emit(share.slot, std::move(text), v1::FINISH_REASON_STOP);
  } else if (answer.generated >= answer.max_tokens ||
             cache_[share.slot].tokens.size() >= context_tokens_) {
    text += answer.filter.Finish();
    Emit(share.slot, std::move(text), v1::FINISH_REASON_LENGTH);
  } else {
    answer.next = *token;
    if (!text.empty()) Emit(share.slot, std::move(text), v1::FINISH_REASON_UNSPECIFIED);
  }
}

void LlamaEngine::Emit(std::size_t slot, std::string text, v1::FinishReason reason) {
  LlamaAnswer& answer = *slots_[slot].answer;
  v1::GenerateEvent event;
  event.set_text(std::move(text));
  // Tokens of which nothing is shown, those of a stop string, are not told of.
  if (!event.text().empty()) {
    for (v1::TokenLogprob& token : answer.unsent) *event.add_logprobs() = std::move(token);
    answer.unsent.clear();
  }
  if (!answer.started) event.set_model(name_);
  answer.started = true;
  const bool last = reason != v1::FINISH_REASON_UNSPECIFIED;
  if (last) {
    event.set_finish_reason(reason);
    v1::Usage& usage = *event.mutable_usage();
    usage.set_prompt_tokens(static_cast<std::uint32_t>(answer.prompt.size()));
    usage.set_completion_tokens(answer.generated);
    usage.set_cached_tokens(answer.cached);
  }
  // There is room, or the reader has gone: PlanStep passed over full channels.
  answer.out->TrySend(event);
  if (!last) return;
  answer.out->Close();
  Release(slot);
}

void LlamaEngine::Release(std::size_t slot) {
  slots_[slot].answer.reset();
  cache_[slot].busy = false;
  cache_[slot].last_used = ++clock_;
  counters_.active.Add(-1);
}

// After a failed step nobody knows what the cache holds: everything starts afresh.
void LlamaEngine::FailAll(const Status& status) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].answer == nullptr) continue;
    slots_[i].answer->out->Close(status);
    Release(i);
  }
  for (CachedSlot& cached : cache_) cached.tokens.clear();
  llama_memory_clear(llama_get_memory(context_.get()), false);
}

}  // namespace tessera
