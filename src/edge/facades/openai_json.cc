#include "edge/facades/openai_json.h"

#include "base/clock.h"
#include "net/http_error.h"

namespace tessera {

std::int64_t UnixSeconds() { return WallMillis() / 1000; }

std::string Origin(const HttpRequest& request) {
  const std::string_view host = request.headers.Get("host");
  return host.empty() ? std::string() : StrCat("http://", host);
}

void WriteFinishReason(JsonWriter& json, v1::FinishReason reason) {
  json.Key("finish_reason");
  if (reason == v1::FINISH_REASON_UNSPECIFIED)
    json.Null();
  else
    json.Value(reason == v1::FINISH_REASON_LENGTH ? "length" : "stop");
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
