// POST /v1/completions: the model goes on with a prompt.

#include <functional>
#include <utility>

#include "base/ids.h"
#include "edge/facades/answer.h"
#include "edge/facades/openai_json.h"
#include "edge/stream_end.h"
#include "net/sse.h"

namespace tessera {
namespace {

constexpr char kRequestSchema[] = R"({
  "type": "object", "required": ["model", "prompt"],
  "properties": {
    "model": {"type": "string"}, "prompt": {"type": ["string", "array"]}, "max_tokens": {"type": "integer"},
    "stream": {"type": "boolean"}, "echo": {"type": "boolean"}, "temperature": {"type": "number"},
    "top_p": {"type": "number"}, "seed": {"type": "integer"}, "stop": {"type": ["string", "array"]}}})";

struct CompletionRequest {
  v1::GenerateRequest generate;
  std::vector<std::string> prompts;
  bool stream = false;
  bool echo = false;
};

Result<CompletionRequest> Read(std::string body) {
  TRY(const JsonDocument document, JsonDocument::Parse(std::move(body)));
  JsonErrors errors;
  JsonFields fields(document.root(), "", errors);
  CompletionRequest request;
  std::string model;
  fields.Require("model");
  if (fields.String("model", &model, 256)) request.generate.set_model(model);
  fields.Require("prompt");
  fields.Strings("prompt", &request.prompts, true);
  if (request.prompts.size() > 64) fields.Error("prompt", "at most 64 prompts");
  std::int64_t tokens = 16;  // OpenAI's default
  fields.Int("max_tokens", &tokens, 1, 1 << 20);
  request.generate.set_max_tokens(static_cast<std::uint32_t>(tokens));
  ReadSampling(fields, request.generate.mutable_sampling());
  std::vector<std::string> stop;
  fields.Strings("stop", &stop, true);
  for (std::string& text : stop) request.generate.add_stop(std::move(text));
  fields.Bool("stream", &request.stream);
  fields.Bool("echo", &request.echo);
  if (request.stream && request.prompts.size() > 1) {
    fields.Error("stream", "only one prompt can be streamed at a time");
  }
  std::int64_t one = 1;
  fields.Int("n", &one, 1, 1);
  fields.Int("best_of", &one, 1, 1);
  fields.Ignore({"user", "logprobs", "logit_bias", "suffix", "stream_options"});
  fields.Finish();
  TRY(errors.status());
  return request;
}

struct CompletionHead {
  std::string id = AnswerId("cmpl-");
  std::int64_t created = UnixSeconds();
  std::string model;
};

void OpenObject(JsonWriter& json, const CompletionHead& head) {
  json.BeginObject().Field("id", head.id).Field("object", "text_completion");
  json.Field("created", head.created).Field("model", head.model).Key("choices").BeginArray();
}

void WriteChoice(JsonWriter& json, std::size_t index, std::string_view text,
                 v1::FinishReason reason) {
  json.BeginObject().Field("text", text).Field("index", index).Key("logprobs").Null();
  WriteFinishReason(json, reason);
  json.EndObject();
}

class CompletionEvents final : public Stream<std::string> {
 public:
  CompletionEvents(std::string model, StreamPtr<v1::GenerateEvent> events)
      : events_(std::move(events)) {
    head_.model = std::move(model);
  }
  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    if (end_.reached()) co_return end_.Next();
    const Result<std::optional<v1::GenerateEvent>> event = co_await events_->Next(std::move(ctx));
    if (!event.ok()) {
      end_.Told(event.status());
      co_return SseEvent(StreamErrorJson(event.status()));
    }
    if (!*event) {
      end_.Well();
      co_return SseEvent("[DONE]");
    }
    JsonWriter json;
    OpenObject(json, head_);
    WriteChoice(json, 0, (*event)->text(), (*event)->finish_reason());
    json.EndArray();
    if ((*event)->has_usage()) WriteUsage(json, (*event)->usage());
    json.EndObject();
    co_return SseEvent(json.text());
  }

 private:
  CompletionHead head_;
  StreamPtr<v1::GenerateEvent> events_;
  StreamEnd end_;
};

Task<Result<HttpReply>> Complete(Contracts contracts, Ctx ctx, HttpRequest http) {
  CO_TRY(CompletionRequest request, Read(std::move(http.body)));
  CompletionHead head;
  head.model = request.generate.model();
  if (request.stream) {
    request.generate.set_prompt(request.prompts.front());
    CO_TRY(StreamPtr<v1::GenerateEvent> events,
           co_await contracts.inference.Generate(std::move(ctx), request.generate));
    co_return HttpReply::EventStream(
        std::make_unique<CompletionEvents>(head.model, std::move(events)));
  }
  JsonWriter json(1024);
  OpenObject(json, head);
  v1::Usage usage;
  for (std::size_t i = 0; i < request.prompts.size(); ++i) {
    request.generate.set_prompt(request.prompts[i]);
    CO_TRY(StreamPtr<v1::GenerateEvent> events,
           co_await contracts.inference.Generate(ctx, request.generate));
    std::string text = request.echo ? request.prompts[i] : std::string();
    v1::FinishReason reason = v1::FINISH_REASON_UNSPECIFIED;
    while (true) {
      CO_TRY(std::optional<v1::GenerateEvent> event, co_await events->Next(ctx));
      if (!event) break;
      text += event->text();
      if (event->finish_reason() != v1::FINISH_REASON_UNSPECIFIED) reason = event->finish_reason();
      AddUsage(event->usage(), Prompts::kSeveral, &usage);
    }
    WriteChoice(json, i, text, reason);
  }
  json.EndArray();
  WriteUsage(json, usage);
  json.EndObject();
  co_return HttpReply::Json(200, json.Take());
}

}  // namespace

void AddOpenAiCompletions(HttpRoutes& routes, Contracts contracts) {
  Route route;
  route.method = HttpMethod::kPost;
  route.pattern = "/v1/completions";
  route.scope = "inference.run";
  route.errors = ErrorShape::kOpenAi;
  route.body = BodyKind::kBuffered;
  route.handler = std::bind_front(Complete, contracts);
  route.doc = {
      .summary = "Complete a prompt",
      .tag = "openai",
      .request_schema = kRequestSchema,
      .request_example =
          R"({"model": "smollm2", "prompt": "The capital of France is", "max_tokens": 8})",
      .reply_example =
          R"({"id": "cmpl-…", "object": "text_completion", "created": 1790000000, "model": "smollm2", "choices": [{"index": 0, "text": " Paris.", "logprobs": null, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 0}}})",
      .reply_may_stream = true};
  routes.Add(std::move(route));
}

}  // namespace tessera
