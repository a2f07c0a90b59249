#include "services/inference/local_inference.h"

#include <iterator>
#include <numeric>

#include "base/str.h"
#include "runtime/thread_pool.h"
#include "telemetry/trace.h"

namespace tessera {
namespace {

constexpr int kPassagesMax = 1000;

template <class Texts>
std::vector<std::string> Take(Texts& texts) {
  return {std::make_move_iterator(texts.begin()), std::make_move_iterator(texts.end())};
}

SpanScope BeginChat(Ctx& ctx, const LanguageModel& model, const v1::GenerateRequest& request) {
  SpanScope span(ctx, "chat", SpanKind::kClient);
  if (!span) return span;
  const v1::Model& info = model.info();
  span.Set("gen_ai.operation.name", "chat");
  span.Set("gen_ai.provider.name", info.backend());
  span.Set("gen_ai.request.model", info.name());
  if (request.max_tokens() != 0) span.Set("gen_ai.request.max_tokens", request.max_tokens());
  if (request.sampling().has_temperature())
    span.Set("gen_ai.request.temperature", double{request.sampling().temperature()});
  return span;
}

/// The answer as it passes, and what its span and the figures are to say: never the text.
class MeasuredAnswer final : public Stream<v1::GenerateEvent> {
 public:
  MeasuredAnswer(StreamPtr<v1::GenerateEvent> events, SpanScope span,
                 std::shared_ptr<ModelFigures> figures, std::string model, Ctx ctx,
                 std::uint64_t began)
      : events_(std::move(events)),
        span_(std::move(span)),
        figures_(std::move(figures)),
        answer_(figures_->Of(model)),
        model_(std::move(model)),
        ctx_(std::move(ctx)),
        began_(began),
        last_(began) {}

  Task<Result<std::optional<v1::GenerateEvent>>> Next(Ctx ctx) override {
    auto event = co_await events_->Next(std::move(ctx));
    if (event.ok() && event->has_value()) {
      Note(**event);
    } else {
      span_.End(event.status());
    }
    co_return event;
  }

 private:
  static std::uint64_t Nanoseconds(std::uint64_t ticks) {
    return static_cast<std::uint64_t>(static_cast<double>(ticks) *
                                      CycleClock::NanosecondsPerTick());
  }
  void Note(const v1::GenerateEvent& event) {
    const std::uint64_t now = CycleClock::Now();
    if (!std::exchange(first_seen_, true)) {
      const std::uint64_t first = Nanoseconds(now - began_);
      span_.Set("gen_ai.server.time_to_first_token", static_cast<double>(first) * 1e-9);
      answer_.first_token.Observe(first, ctx_);
      if (!event.model().empty()) span_.Set("gen_ai.response.model", event.model());
    } else if (!event.text().empty()) {
      answer_.between_tokens.Observe(Nanoseconds(now - last_));
    }
    last_ = now;
    if (event.finish_reason() == v1::FINISH_REASON_UNSPECIFIED) return;
    answer_.whole.Observe(Nanoseconds(now - began_), ctx_);
    const v1::Usage& usage = event.usage();
    figures_->CountUse(ctx_, model_, usage.prompt_tokens(), usage.completion_tokens());
    span_.Set("gen_ai.usage.input_tokens", usage.prompt_tokens());
    span_.Set("gen_ai.usage.output_tokens", usage.completion_tokens());
    span_.Set("gen_ai.response.finish_reasons", FinishName(event.finish_reason()));
    span_.End(absl::StatusCode::kOk);  // whoever reads may stop here
  }
  static std::string_view FinishName(v1::FinishReason reason) {
    switch (reason) {
      case v1::FINISH_REASON_STOP:
        return "stop";
      case v1::FINISH_REASON_LENGTH:
        return "length";
      case v1::FINISH_REASON_TOOL_CALLS:
        return "tool_calls";
      case v1::FINISH_REASON_CONTENT_FILTER:
        return "content_filter";
      default:
        return "unspecified";
    }
  }

  const StreamPtr<v1::GenerateEvent> events_;
  SpanScope span_;
  const std::shared_ptr<ModelFigures> figures_;
  const AnswerFigures& answer_;
  const std::string model_;
  const Ctx ctx_;  // of the call
  const std::uint64_t began_;
  std::uint64_t last_;
  bool first_seen_ = false;
};

}  // namespace

Result<std::unique_ptr<LocalInference>> LocalInference::Open(Config config, const std::string& data,
                                                             Executor& workers, IoLoops* loops) {
  std::map<std::string, ModelPriceConfig> prices = config.prices;
  TRY(std::unique_ptr<ModelRegistry> models,
      ModelRegistry::Open(std::move(config), data, workers, loops));
  return std::unique_ptr<LocalInference>(
      new LocalInference(std::move(models), std::move(prices), workers));
}

Task<Status> LocalInference::Stop(Ctx ctx) {
  const auto stop = [this] { models_->Stop(); };
  co_await RunOn(workers_, stop);
  co_return absl::OkStatus();
}

// Finding the default or a model that is not loaded reads files, so that happens on a worker.
Task<Result<std::shared_ptr<LanguageModel>>> LocalInference::Language(std::string name) {
  if (auto loaded = models_->LoadedLanguage(name)) co_return loaded;
  const auto find = [this, &name] { return models_->Language(name); };
  co_return co_await RunOn(workers_, find);
}

Task<Result<std::shared_ptr<Embedder>>> LocalInference::EmbedderNamed(std::string name) {
  if (auto loaded = models_->LoadedEmbedder(name)) co_return loaded;
  const auto find = [this, &name] { return models_->EmbedderNamed(name); };
  co_return co_await RunOn(workers_, find);
}

Task<Result<StreamPtr<v1::GenerateEvent>>> LocalInference::Generate(Ctx ctx,
                                                                    v1::GenerateRequest request) {
  CO_TRY(const std::shared_ptr<LanguageModel> model, co_await Language(request.model()));
  const std::uint64_t began = CycleClock::Now();
  std::string name = model->info().name();
  SpanScope span = BeginChat(ctx, *model, request);
  Result<StreamPtr<v1::GenerateEvent>> events = co_await model->Generate(ctx, std::move(request));
  if (!events.ok()) {
    span.End(events.status());
    co_return events;
  }
  co_return std::make_unique<MeasuredAnswer>(*std::move(events), std::move(span), figures_,
                                             std::move(name), std::move(ctx), began);
}

Task<Result<v1::EmbedReply>> LocalInference::Embed(Ctx ctx, v1::EmbedRequest request) {
  CO_TRY(const std::shared_ptr<Embedder> embedder, co_await EmbedderNamed(request.model()));
  SpanScope span(ctx, "embeddings", SpanKind::kClient);
  if (span) {
    span.Set("gen_ai.operation.name", "embeddings");
    span.Set("gen_ai.request.model", embedder->info().name());
    span.Set("tessera.texts", request.texts_size());
  }
  Result<v1::EmbedReply> reply = co_await embedder->Embed(ctx, Take(*request.mutable_texts()));
  span.End(reply.status());
  if (reply.ok()) figures_->CountUse(ctx, embedder->info().name(), reply->tokens(), 0);
  co_return reply;
}

Task<Result<v1::RerankReply>> LocalInference::Rerank(Ctx ctx, v1::RerankRequest request) {
  if (request.passages_size() > kPassagesMax) {
    co_return absl::InvalidArgumentError(StrCat(
        "passages: ", request.passages_size(), " of them; at most ", kPassagesMax, " in one call"));
  }
  CO_TRY(const std::shared_ptr<Embedder> embedder, co_await EmbedderNamed(request.model()));
  v1::RerankReply reply;
  reply.set_model(embedder->info().name());
  if (request.passages().empty()) co_return reply;
  SpanScope span(ctx, "rerank", SpanKind::kClient);
  if (span) {
    span.Set("gen_ai.operation.name", "rerank");
    span.Set("gen_ai.request.model", reply.model());
    span.Set("tessera.passages", request.passages_size());
  }
  std::vector<std::string> texts = Take(*request.mutable_passages());
  texts.push_back(std::move(*request.mutable_query()));
  const Result<v1::EmbedReply> embedded = co_await embedder->Embed(ctx, std::move(texts));
  span.End(embedded.status());
  if (!embedded.ok()) co_return embedded.status();
  const auto& query = embedded->vectors(embedded->vectors_size() - 1).values();
  for (int i = 0; i + 1 < embedded->vectors_size(); ++i) {
    const auto& passage = embedded->vectors(i).values();
    reply.add_scores(std::inner_product(query.begin(), query.end(), passage.begin(), 0.0F));
  }
  co_return reply;
}

Task<Result<v1::CountTokensReply>> LocalInference::CountTokens(Ctx ctx,
                                                               v1::CountTokensRequest request) {
  std::vector<std::string> texts = Take(*request.mutable_texts());
  Result<std::vector<std::uint32_t>> counts = std::vector<std::uint32_t>();
  if (const auto loaded = models_->LoadedLanguage(request.model())) {
    counts = co_await loaded->CountTokens(std::move(ctx), std::move(texts));
  } else if (auto embedder = co_await EmbedderNamed(request.model()); embedder.ok()) {
    counts = co_await (*embedder)->CountTokens(std::move(ctx), std::move(texts));
  } else {
    CO_TRY(const std::shared_ptr<LanguageModel> model, co_await Language(request.model()));
    counts = co_await model->CountTokens(std::move(ctx), std::move(texts));
  }
  CO_TRY(Status(counts.status()));
  v1::CountTokensReply reply;
  reply.mutable_counts()->Assign(counts->begin(), counts->end());
  co_return reply;
}

Task<Result<v1::ListModelsReply>> LocalInference::ListModels(Ctx ctx,
                                                             v1::ListModelsRequest request) {
  std::optional<std::vector<v1::Model>> models = models_->Listed();
  if (!models) {
    const auto list = [this] { return models_->List(); };
    models = co_await RunOn(workers_, list);
  }
  v1::ListModelsReply reply;
  for (v1::Model& model : *models) *reply.add_models() = std::move(model);
  co_return reply;
}

}  // namespace tessera
