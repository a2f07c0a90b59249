#include "edge/facades/openai_json.h"

#include <algorithm>

#include "base/clock.h"
#include "net/http_error.h"

namespace tessera {

std::int64_t UnixSeconds() { return WallMillis() / 1000; }

std::string Origin(const HttpRequest& request) {
  const std::string_view host = request.headers.Get("host");
  return host.empty() ? std::string() : StrCat("http://", host);
}

void WriteToolCalls(JsonWriter& json, const std::vector<v1::ToolCall>& calls, bool pieces) {
  if (calls.empty()) return;
  json.Key("tool_calls").BeginArray();
  for (const v1::ToolCall& call : calls) {
    json.BeginObject();
    if (pieces) json.Field("index", call.index());
    const bool first = !pieces || !call.id().empty() || !call.name().empty();
    if (first) json.Field("id", call.id()).Field("type", "function");
    json.Key("function").BeginObject();
    if (first) json.Field("name", call.name());
    json.Field("arguments", call.arguments()).EndObject().EndObject();
  }
  json.EndArray();
}

namespace {

void WriteToken(JsonWriter& json, const v1::TokenLogprob& token) {
  json.Field("token", token.token()).Field("logprob", token.logprob());
  json.Key("bytes").BeginArray();
  for (const char byte : token.bytes()) json.Value(static_cast<unsigned char>(byte) + 0);
  json.EndArray();
}

}  // namespace

void WriteLogprobs(JsonWriter& json, const std::vector<v1::TokenLogprob>& tokens) {
  json.Key("logprobs");
  if (tokens.empty()) {
    json.Null();
    return;
  }
  json.BeginObject().Key("content").BeginArray();
  for (const v1::TokenLogprob& token : tokens) {
    json.BeginObject();
    WriteToken(json, token);
    json.Key("top_logprobs").BeginArray();
    for (const v1::TokenLogprob& other : token.top()) {
      json.BeginObject();
      WriteToken(json, other);
      json.EndObject();
    }
    json.EndArray().EndObject();
  }
  json.EndArray().Key("refusal").Null().EndObject();
}

void WriteFinishReason(JsonWriter& json, v1::FinishReason reason) {
  json.Key("finish_reason");
  switch (reason) {
    case v1::FINISH_REASON_STOP:
      json.Value("stop");
      return;
    case v1::FINISH_REASON_LENGTH:
      json.Value("length");
      return;
    case v1::FINISH_REASON_TOOL_CALLS:
      json.Value("tool_calls");
      return;
    case v1::FINISH_REASON_CONTENT_FILTER:
      json.Value("content_filter");
      return;
    default:
      json.Null();
  }
}

void AddUsage(const v1::Usage& more, Prompts prompts, v1::Usage* sum) {
  const auto together = [prompts](std::uint32_t a, std::uint32_t b) {
    return prompts == Prompts::kOne ? std::max(a, b) : a + b;
  };
  sum->set_prompt_tokens(together(sum->prompt_tokens(), more.prompt_tokens()));
  sum->set_cached_tokens(together(sum->cached_tokens(), more.cached_tokens()));
  sum->set_completion_tokens(sum->completion_tokens() + more.completion_tokens());
}

void WriteUsage(JsonWriter& json, const v1::Usage& usage) {
  json.Key("usage").BeginObject();
  json.Field("prompt_tokens", usage.prompt_tokens());
  json.Field("completion_tokens", usage.completion_tokens());
  json.Field("total_tokens", usage.prompt_tokens() + usage.completion_tokens());
  json.Key("prompt_tokens_details").BeginObject();
  json.Field("cached_tokens", usage.cached_tokens());
  json.EndObject().EndObject();
}

void WriteAnnotations(JsonWriter& json, const std::vector<v1::Citation>& citations,
                      std::string_view origin) {
  json.Key("annotations").BeginArray();
  for (const v1::Citation& citation : citations) {
    json.BeginObject().Field("type", "url_citation");
    json.Key("url_citation").BeginObject();
    json.Field("url",
               StrCat(origin, "/documents/", citation.document_id(), "?chunk=", citation.chunk(),
                      "&start=", citation.start(), "&end=", citation.end()));
    json.Field("title", citation.document_name());
    json.Field("start_index", citation.answer_start());
    json.Field("end_index", citation.answer_end());
    json.EndObject();
    json.Field("number", citation.number());
    json.Field("document", citation.document_name());
    json.Field("document_id", citation.document_id());
    json.Key("page");
    if (citation.page() > 0)
      json.Value(citation.page());
    else
      json.Null();
    json.Field("quote", citation.quote());
    json.Field("score", citation.score());
    json.EndObject();
  }
  json.EndArray();
}

void WriteAnswerNote(JsonWriter& json, const AnswerPiece& last) {
  json.Key("tessera").BeginObject();
  json.Field("answer_mode",
             last.answer_mode == v1::ANSWER_MODE_EXTRACTIVE ? "extractive" : "generative");
  json.Field("nothing_found", last.nothing_found);
  json.EndObject();
}

std::string StreamErrorJson(const Status& status) {
  const int http = HttpStatusOf(status);
  JsonWriter json;
  json.BeginObject().Key("error").BeginObject();
  json.Field("message", StdView(status.message()));
  json.Field("type", http == 429  ? "rate_limit_error"
                     : http < 500 ? "invalid_request_error"
                                  : "server_error");
  json.Key("param").Null();
  json.Field("code", http);
  json.EndObject().EndObject();
  return json.Take();
}

}  // namespace tessera
