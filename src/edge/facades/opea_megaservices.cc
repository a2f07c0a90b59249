// OPEA's megaservices: /v1/chatqna, /v1/docsum, /v1/codegen, /v1/faqgen. Each runs the graph of its
// name.

#include <utility>

#include "base/field_error.h"
#include "base/ids.h"
#include "edge/facades/answer.h"
#include "edge/facades/megaservice_figures.h"
#include "edge/facades/openai_json.h"
#include "edge/facades/python_bytes.h"
#include "net/sse.h"

namespace tessera {
namespace {

constexpr std::size_t kIdLength = 22;  // of OPEA's short ids

constexpr char kRequestSchema[] = R"({
  "type": "object", "required": ["messages"],
  "properties": {
    "messages": {"type": ["string", "array"]}, "stream": {"type": "boolean", "default": true},
    "max_tokens": {"type": "integer"}, "temperature": {"type": "number"}, "top_p": {"type": "number"},
    "top_k": {"type": "integer"}, "repetition_penalty": {"type": "number"}, "index_name": {"type": "string"},
    "k": {"type": "integer"}, "top_n": {"type": "integer"}, "search_type": {"type": "string"},
    "chat_template": {"type": "string"}, "stop": {"type": ["string", "array"]}}})";

/// A megaservice: its path, its graph, and what its request has besides the chat's fields.
struct Megaservice {
  std::string_view name;
  bool of_texts;             ///< the messages are the texts to work on
  bool searches_by_default;  ///< in the collection "default" when none is named
  std::string_view summary;
};

constexpr Megaservice kMegaservices[] = {
    {"chatqna", false, true, "Ask your documents (OPEA ChatQnA)"},
    {"codegen", false, false, "Write code (OPEA CodeGen)"},
    {"docsum", true, false, "Summarise a text (OPEA DocSum)"},
    {"faqgen", true, false, "Questions and answers about a text (OPEA FaqGen)"},
};

class MegaserviceEvents final : public Stream<std::string> {
 public:
  MegaserviceEvents(StreamPtr<AnswerPiece> pieces, MegaserviceFigures figures, SteadyTime start)
      : pieces_(std::move(pieces)), figures_(figures), start_(start) {}
  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    while (!ended_) {
      Result<std::optional<AnswerPiece>> piece = co_await pieces_->Next(ctx);
      if (!piece.ok()) {
        ended_ = true;
        co_return SseEvent(StreamErrorJson(piece.status()), "error");
      }
      if (!*piece) {
        ended_ = true;
        figures_.request.Observe(Now() - start_);
        co_return std::string("data: [DONE]\n\n");
      }
      if ((*piece)->text.empty()) continue;
      if (!std::exchange(begun_, true)) figures_.first_token.Observe(Now() - start_);
      co_return StrCat("data: ", PythonBytesRepr((*piece)->text), "\n\n");
    }
    co_return std::nullopt;
  }

 private:
  StreamPtr<AnswerPiece> pieces_;
  const MegaserviceFigures figures_;
  const SteadyTime start_;
  bool begun_ = false;
  bool ended_ = false;
};

std::string ResponseJson(std::string_view model, const WholeAnswer& answer) {
  const v1::Usage usage = answer.last.usage.value_or(v1::Usage());
  JsonWriter json(512 + answer.text.size());
  json.BeginObject().Field("id", NewId("chatcmpl-").substr(0, 9 + kIdLength));
  json.Field("object", "chat.completion").Field("created", UnixSeconds()).Field("model", model);
  json.Key("choices").BeginArray().BeginObject().Field("index", 0).Key("message").BeginObject();
  json.Field("role", "assistant").Field("content", answer.text).Key("audio").Null().EndObject();
  WriteFinishReason(json, answer.last.finish_reason);
  json.Key("metadata").Null().EndObject().EndArray().Key("usage").BeginObject();
  json.Field("prompt_tokens", usage.prompt_tokens());
  json.Field("total_tokens", usage.prompt_tokens() + usage.completion_tokens());
  json.Field("completion_tokens", usage.completion_tokens()).EndObject().EndObject();
  return json.Take();
}

void MoveMessagesToDocuments(v1::RunRequest& run) {
  std::string text;
  for (const v1::Message& message : run.messages()) {
    if (message.role() == "user") StrAppend(&text, text.empty() ? "" : "\n\n", message.content());
  }
  run.clear_messages();
  run.add_documents(std::move(text));
}

Task<Result<HttpReply>> Serve(const Megaservice* service, MegaserviceFigures figures,
                              Contracts contracts, Ctx ctx, HttpRequest request) {
  const SteadyTime start = Now();
  std::vector<std::pair<std::string, std::string>> parameters;
  CO_TRY(ChatRequest chat,
         ReadOpeaChat(std::move(request.body),
                      {"type", "summary_type", "chunk_size", "chunk_overlap", "agents_flag"},
                      &parameters));
  std::string collection = chat.collection;
  if (collection.empty() && service->searches_by_default) collection = "default";
  v1::RunRequest run = ToRun(chat, std::string(service->name), collection, "");
  for (auto& [name, value] : parameters) {
    if (name == "type" && value != "text") {
      co_return InvalidField("type", StrCat("\"", value, "\" is not supported: send text"));
    }
    (*run.mutable_parameters())[name] = std::move(value);
  }
  if (service->of_texts) MoveMessagesToDocuments(run);
  if (!collection.empty()) {
    v1::GetCollectionRequest get;
    get.set_name(collection);
    CO_TRY(co_await contracts.retrieval.GetCollection(ctx, std::move(get)));
  }
  CO_TRY(StreamPtr<AnswerPiece> pieces, co_await StartRun(ctx, contracts, std::move(run)));
  if (chat.stream) {
    co_return HttpReply::Streamed(
        200, "text/event-stream; charset=utf-8",
        std::make_unique<MegaserviceEvents>(std::move(pieces), figures, start));
  }
  CO_TRY(const WholeAnswer answer, co_await ReadAnswerToEnd(std::move(ctx), std::move(pieces)));
  figures.request.Observe(Now() - start);
  co_return HttpReply::Json(200, ResponseJson(service->name, answer));
}

}  // namespace

void AddOpeaMegaservices(HttpRoutes& routes, Contracts contracts) {
  for (const Megaservice& service : kMegaservices) {
    Route route;
    route.method = HttpMethod::kPost;
    route.pattern = StrCat("/v1/", service.name);
    route.scope = "orchestration.run";
    route.errors = ErrorShape::kOpea;
    route.body = BodyKind::kBuffered;
    route.body_max = std::uint64_t{16} << 20;
    const MegaserviceFigures figures = FiguresOf(service.name);
    route.handler = [contracts, figures, &service](Ctx ctx, HttpRequest request) {
      return Serve(&service, figures, contracts, std::move(ctx), std::move(request));
    };
    route.doc = {.summary = std::string(service.summary),
                 .tag = "opea",
                 .request_schema = kRequestSchema,
                 .request_example = R"({"messages": "What does it say?", "stream": false})",
                 .reply_may_stream = true};
    routes.Add(std::move(route));
  }
}

}  // namespace tessera
