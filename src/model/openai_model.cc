#include "model/openai_model.h"

#include <utility>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "model/openai_call.h"
#include "model/openai_stream.h"

namespace tessera {
namespace {

constexpr std::uint64_t kWholeReplyMax = 16 << 20;

/// An answer that came whole, from a server that does not stream.
class WholeAnswer final : public Stream<v1::GenerateEvent> {
 public:
  explicit WholeAnswer(v1::GenerateEvent event) : event_(std::move(event)) {}
  Task<Result<std::optional<v1::GenerateEvent>>> Next(Ctx ctx) override {
    co_return std::exchange(event_, std::nullopt);
  }

 private:
  std::optional<v1::GenerateEvent> event_;
};

void WriteSampling(const v1::Sampling& s, JsonWriter& json) {
  if (s.has_temperature()) json.Key("temperature").Value(s.temperature());
  if (s.has_top_p()) json.Key("top_p").Value(s.top_p());
  if (s.has_frequency_penalty()) json.Key("frequency_penalty").Value(s.frequency_penalty());
  if (s.has_presence_penalty()) json.Key("presence_penalty").Value(s.presence_penalty());
  if (s.has_seed()) json.Key("seed").Value(s.seed());
  // Not OpenAI's own, but vLLM's and llama.cpp's.
  if (s.has_top_k()) json.Key("top_k").Value(s.top_k());
  if (s.has_min_p()) json.Key("min_p").Value(s.min_p());
  if (s.has_repetition_penalty()) json.Key("repetition_penalty").Value(s.repetition_penalty());
}

void WriteMessage(const v1::Message& message, JsonWriter& json) {
  json.BeginObject().Field("role", message.role()).Key("content");
  const bool calls_only = message.content().empty() && message.tool_calls_size() > 0;
  calls_only ? json.Null() : json.Value(message.content());
  if (message.tool_calls_size() > 0) {
    json.Key("tool_calls").BeginArray();
    for (const v1::ToolCall& call : message.tool_calls()) {
      json.BeginObject().Field("id", call.id()).Field("type", "function");
      json.Key("function").BeginObject().Field("name", call.name());
      json.Field("arguments", call.arguments()).EndObject().EndObject();
    }
    json.EndArray();
  }
  if (!message.tool_call_id().empty()) json.Field("tool_call_id", message.tool_call_id());
  json.EndObject();
}

// What only chats have.
void WriteTools(const v1::GenerateRequest& request, JsonWriter& json) {
  if (!request.tools().empty()) json.Key("tools").Raw(request.tools());
  if (!request.tool_choice().empty()) json.Key("tool_choice").Raw(request.tool_choice());
  if (request.has_parallel_tool_calls())
    json.Field("parallel_tool_calls", request.parallel_tool_calls());
  if (!request.logprobs()) return;
  json.Field("logprobs", true);
  if (request.top_logprobs() > 0) json.Field("top_logprobs", request.top_logprobs());
}

std::string RequestBody(const v1::GenerateRequest& request, const std::string& model) {
  JsonWriter json;
  json.BeginObject().Field("model", model).Field("stream", !request.whole());
  if (!request.whole()) {
    json.Key("stream_options").BeginObject().Key("include_usage").Value(true).EndObject();
  }
  if (request.messages_size() > 0) {
    json.Key("messages").BeginArray();
    for (const v1::Message& message : request.messages()) WriteMessage(message, json);
    json.EndArray();
    WriteTools(request, json);
  } else {
    json.Key("prompt").Value(request.prompt());
  }
  if (request.max_tokens() > 0) json.Key("max_tokens").Value(request.max_tokens());
  WriteSampling(request.sampling(), json);
  if (request.stop_size() > 0) {
    json.Key("stop").BeginArray();
    for (const std::string& stop : request.stop()) json.Value(stop);
    json.EndArray();
  }
  if (request.json_schema() == "{}") {
    json.Key("response_format").BeginObject().Key("type").Value("json_object").EndObject();
  } else if (!request.json_schema().empty()) {
    json.Key("response_format").BeginObject().Key("type").Value("json_schema");
    json.Key("json_schema").BeginObject().Key("name").Value("answer");
    json.Key("schema").Raw(request.json_schema()).Key("strict").Value(true);
    json.EndObject().EndObject();
  }
  json.EndObject();
  return json.Take();
}

// Nothing goes into a request as it is that is no JSON.
Status CheckJson(std::string_view field, const std::string& json) {
  if (json.empty()) return absl::OkStatus();
  const auto document = JsonDocument::Parse(json);
  if (document.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(field, ": ", StdView(document.status().message())));
}

class OpenAiModel final : public LanguageModel {
 public:
  OpenAiModel(OpenAiOptions options, HttpClient& client)
      : options_(std::move(options)), client_(client) {}

  const v1::Model& info() const override { return info_; }

  Task<Result<StreamPtr<v1::GenerateEvent>>> Generate(Ctx ctx,
                                                      v1::GenerateRequest request) override {
    const bool chat = request.messages_size() > 0;
    if (chat == !request.prompt().empty()) {
      co_return absl::InvalidArgumentError(
          "give either messages or a prompt; the request has both or none");
    }
    CO_TRY(CheckJson("json_schema", request.json_schema()));
    CO_TRY(CheckJson("tools", request.tools()));
    CO_TRY(CheckJson("tool_choice", request.tool_choice()));
    std::string body = RequestBody(request, options_.upstream_model);
    CO_TRY(HttpClientReply reply,
           co_await PostToUpstream(ctx, client_, &options_,
                                   chat ? "/chat/completions" : "/completions", std::move(body)));
    if (!reply.headers.Get("content-type").starts_with("application/json")) {
      co_return ReadOpenAiStream(options_.name, std::move(reply.body));
    }
    CO_TRY(const std::string whole, co_await ReadAll(ctx, std::move(reply.body), kWholeReplyMax));
    CO_TRY(v1::GenerateEvent event, ReadOpenAiAnswer(options_.name, whole));
    co_return std::make_unique<WholeAnswer>(std::move(event));
  }

  Task<Result<std::vector<std::uint32_t>>> CountTokens(Ctx ctx,
                                                       std::vector<std::string> texts) override {
    co_return EstimateTokens(texts);
  }

  void Stop() override {}

 private:
  v1::Model Describe() const {
    v1::Model info;
    info.set_name(options_.name);
    info.set_kind(v1::MODEL_KIND_LANGUAGE);
    info.set_backend("openai");
    info.set_context_tokens(options_.context_tokens);
    info.set_created_ms(WallMillis());
    info.set_description(options_.description);
    return info;
  }

  const OpenAiOptions options_;
  HttpClient& client_;
  const v1::Model info_ = Describe();
};

}  // namespace

std::unique_ptr<LanguageModel> MakeOpenAiModel(OpenAiOptions options, HttpClient& client) {
  if (options.upstream_model.empty()) options.upstream_model = options.name;
  while (options.base_url.ends_with('/')) options.base_url.pop_back();
  return std::make_unique<OpenAiModel>(std::move(options), client);
}

}  // namespace tessera
