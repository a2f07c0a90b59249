#include "model/llama_model.h"

#include <algorithm>
#include <exception>
#include <filesystem>

#include <llama.h>
#include <sched.h>

#include "base/field_error.h"
#include "base/str.h"
#include "model/llama_engine.h"
#include "runtime/thread_pool.h"

namespace tessera {
namespace {

constexpr std::size_t kMaxBytesPerToken = 64;  // no prompt that fits is longer
constexpr int kMaxStops = 16;
constexpr std::uint32_t kTopLogprobsMax = 20;

using AnswerPtr = std::unique_ptr<LlamaAnswer>;

class LlamaModel final : public LanguageModel {
 public:
  LlamaModel(LlamaOptions options, LlamaWeightsPtr weights, std::unique_ptr<LlamaText> text,
             std::unique_ptr<LlamaEngine> engine, Executor& workers)
      : options_(std::move(options)),
        weights_(std::move(weights)),
        text_(std::move(text)),
        engine_(std::move(engine)),
        workers_(workers) {}

  const v1::Model& info() const override { return info_; }

  Task<Result<StreamPtr<v1::GenerateEvent>>> Generate(Ctx ctx,
                                                      v1::GenerateRequest request) override {
    CO_TRY(ctx.Check());
    const auto prepare = [this, &ctx, &request] { return Prepare(ctx, request); };
    CO_TRY(AnswerPtr answer, co_await RunOn(workers_, prepare));
    auto out = answer->out;
    CO_TRY(engine_->Submit(std::move(answer)));
    co_return std::make_unique<ChannelStream<v1::GenerateEvent>>(std::move(out));
  }

  Task<Result<std::vector<std::uint32_t>>> CountTokens(Ctx ctx,
                                                       std::vector<std::string> texts) override {
    CO_TRY(ctx.Check());
    const auto count = [this, &texts]() -> Result<std::vector<std::uint32_t>> {
      std::vector<std::uint32_t> counts;
      for (const std::string& text : texts)
        counts.push_back(static_cast<std::uint32_t>(text_->Count(text)));
      return counts;
    };
    co_return co_await RunOn(workers_, count);
  }

  void Stop() override { engine_->Stop(); }

 private:
  v1::Model Describe() const {
    v1::Model info;
    info.set_name(options_.name);
    info.set_kind(v1::MODEL_KIND_LANGUAGE);
    info.set_backend("llama.cpp");
    info.set_digest(options_.digest);
    info.set_context_tokens(engine_->context_tokens());
    info.set_demo(options_.demo);
    info.set_created_ms(WallMillis());
    info.set_description(options_.description);
    return info;
  }

  Result<AnswerPtr> Prepare(const Ctx& ctx, const v1::GenerateRequest& request) const {
    std::vector<std::string> stops(request.stop().begin(), request.stop().end());
    if (request.stop_size() > kMaxStops) {
      return absl::InvalidArgumentError(
          StrCat("stop: ", request.stop_size(), " strings; at most ", kMaxStops, " are accepted"));
    }
    TRY(CheckSampling(request.sampling()));
    TRY(CheckTools(request));
    TRY(std::vector<std::int32_t> prompt, PromptTokens(request));
    std::string grammar;
    if (!request.json_schema().empty()) {
      TRY(grammar, GrammarOfSchema(request.json_schema()));
    }
    TRY(LlamaSampling sampling,
        LlamaSampling::Make(text_->vocabulary(), request.sampling(), grammar, prompt));
    const auto room = engine_->context_tokens() - static_cast<std::uint32_t>(prompt.size());
    const std::uint32_t most =
        request.max_tokens() == 0 ? room : std::min(request.max_tokens(), room);
    auto answer = std::make_unique<LlamaAnswer>(ctx, std::move(prompt), std::move(sampling),
                                                TextFilter(std::move(stops)), most);
    answer->logprobs = request.logprobs();
    answer->top_logprobs = std::min(request.top_logprobs(), kTopLogprobsMax);
    return answer;
  }

  Status CheckTools(const v1::GenerateRequest& request) const {
    if (request.tools().empty() || request.tool_choice() == "\"none\"") return absl::OkStatus();
    return InvalidField(
        "tools", StrCat("model \"", options_.name,
                        "\" runs in this server and calls no functions; name a model behind an "
                        "OpenAI-compatible server (services.inference.models), or ask for JSON "
                        "with response_format"));
  }

  Result<std::vector<std::int32_t>> PromptTokens(const v1::GenerateRequest& request) const {
    const bool chat = request.messages_size() > 0;
    if (chat == !request.prompt().empty()) {
      return absl::InvalidArgumentError(
          "give either messages or a prompt; the request has both or none");
    }
    std::size_t bytes = request.prompt().size();
    for (const v1::Message& message : request.messages()) bytes += message.content().size();
    const std::uint32_t context = engine_->context_tokens();
    if (bytes > kMaxBytesPerToken * context) {
      return absl::InvalidArgumentError(StrCat("the prompt has ", bytes, " bytes; model ",
                                               options_.name, " reads at most ", context,
                                               " tokens; shorten it"));
    }
    std::string text = request.prompt();
    if (chat) {
      TRY(text, text_->ChatPrompt(request));
    }
    std::vector<std::int32_t> tokens = text_->Encode(text, chat);
    if (tokens.empty()) return absl::InvalidArgumentError("the prompt is empty");
    if (tokens.size() >= context) {
      return absl::InvalidArgumentError(StrCat("the prompt has ", tokens.size(), " tokens; model ",
                                               options_.name, " reads at most ", context - 1,
                                               "; shorten it"));
    }
    return tokens;
  }

  const LlamaOptions options_;
  const LlamaWeightsPtr weights_;
  const std::unique_ptr<LlamaText> text_;
  const std::unique_ptr<LlamaEngine> engine_;
  Executor& workers_;
  const v1::Model info_ = Describe();
};

}  // namespace

std::uint32_t DefaultModelThreads() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;
  const auto count = static_cast<std::uint32_t>(CPU_COUNT(&cores));
  return count <= 4 ? std::max(count, 1U) : std::min(count / 2 + 1, 32U);
}

Result<std::unique_ptr<LanguageModel>> LoadLlamaModel(LlamaOptions options, Executor& workers) {
  InitLlama();
  if (!std::filesystem::exists(options.path)) {
    return absl::NotFoundError(StrCat("model ", options.name, ": there is no file ", options.path));
  }
  if (options.slots == 0 || options.context_tokens < 16)
    return absl::InvalidArgumentError(
        StrCat("model ", options.name, ": at least 1 slot and 16 context_tokens are needed"));
  llama_model_params params = llama_model_default_params();
  LlamaWeightsPtr weights;
  std::unique_ptr<LlamaText> text;
  try {
    weights.reset(llama_model_load_from_file(options.path.c_str(), params));
    if (weights == nullptr) {
      return absl::InvalidArgumentError(StrCat("model ", options.name, ": ", options.path,
                                               " is not a GGUF file that llama.cpp can read"));
    }
    if (!llama_model_has_decoder(weights.get()) || llama_model_has_encoder(weights.get())) {
      return absl::InvalidArgumentError(StrCat("model ", options.name, ": ", options.path,
                                               " is not a decoder-only language model"));
    }
    TRY(text, LlamaText::Make(*weights));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        StrCat("model ", options.name, ": cannot load ", options.path, ": ", error.what()));
  }
  LlamaLimits limits;
  limits.threads = static_cast<int>(options.threads == 0 ? DefaultModelThreads() : options.threads);
  limits.context_tokens = options.context_tokens;
  limits.slots = options.slots;
  limits.queue = options.queue;
  TRY(std::unique_ptr<LlamaEngine> engine,
      LlamaEngine::Start(*weights, *text, options.name, limits));
  return std::make_unique<LlamaModel>(std::move(options), std::move(weights), std::move(text),
                                      std::move(engine), workers);
}

}  // namespace tessera
