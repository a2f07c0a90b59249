// OPEA's megaservices: /v1/chatqna, /v1/docsum, /v1/codegen, /v1/faqgen. Each runs the graph of its
// name.

#include <utility>

#include "base/field_error.h"
#include "base/ids.h"
#include "edge/facades/answer.h"
#include "edge/facades/megaservice_figures.h"
#include "edge/facades/openai_json.h"
#include "edge/facades/python_bytes.h"
#include "edge/stream_end.h"
#include "net/header_values.h"
#include "net/sse.h"
#include "net/uri.h"

namespace tessera {
namespace {

constexpr std::size_t kIdLength = 22;                    // of OPEA's short ids
constexpr std::size_t kBodyMax = std::size_t{16} << 20;  // and of the texts of a form's files

constexpr char kRequestSchema[] = R"({
  "type": "object", "required": ["messages"],
  "properties": {
    "messages": {"type": ["string", "array"]}, "stream": {"type": "boolean", "default": true},
    "max_tokens": {"type": "integer"}, "temperature": {"type": "number"}, "top_p": {"type": "number"},
    "top_k": {"type": "integer"}, "repetition_penalty": {"type": "number"}, "index_name": {"type": "string"},
    "k": {"type": "integer"}, "top_n": {"type": "integer"}, "search_type": {"type": "string"},
    "chat_template": {"type": "string"}, "stop": {"type": ["string", "array"]}}})";

constexpr char kReplyExample[] =
    R"({"id": "chatcmpl-…", "object": "chat.completion", "created": 1795449474, "model": "chatqna", "choices": [{"index": 0, "message": {"role": "assistant", "content": "“The notice period is six weeks.” [1]", "audio": null}, "finish_reason": "stop", "metadata": null}], "usage": {"prompt_tokens": 0, "total_tokens": 0, "completion_tokens": 0}})";

constexpr char kStreamExample[] =
    "data: b'\\xe2\\x80\\x9cThe notice period is six weeks.\\xe2\\x80\\x9d '\n\ndata: "
    "b'[1]'\n\ndata: [DONE]";

constexpr char kFormSchema[] = R"({
  "type": "object",
  "properties": {
    "messages": {"type": "string", "description": "a text to work on, before those of the files"},
    "files": {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "documents"},
    "type": {"enum": ["text"]}, "stream": {"type": "boolean", "default": true},
    "max_tokens": {"type": "integer"}, "language": {"type": "string"},
    "summary_type": {"enum": ["auto", "stuff", "truncate", "map_reduce", "refine"]},
    "chunk_size": {"type": "integer"}, "chunk_overlap": {"type": "integer"}}})";

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
  MegaserviceEvents(StreamPtr<AnswerPiece> pieces, MegaserviceFigures figures,
                    PendingMegaservice pending, SteadyTime start)
      : pieces_(std::move(pieces)),
        figures_(figures),
        pending_(std::move(pending)),
        start_(start),
        last_(start) {}
  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    while (!end_.reached()) {
      Result<std::optional<AnswerPiece>> piece = co_await pieces_->Next(ctx);
      if (!piece.ok()) {
        end_.Told(piece.status());
        co_return SseEvent(StreamErrorJson(piece.status()), "error");
      }
      if (!*piece) {
        end_.Well();
        figures_.request.Observe(Now() - start_, ctx);
        figures_.opea_request.Observe(Now() - start_, ctx);
        co_return std::string("data: [DONE]\n\n");
      }
      if ((*piece)->text.empty()) continue;
      CountToken(ctx);
      co_return StrCat("data: ", PythonBytesRepr((*piece)->text), "\n\n");
    }
    co_return end_.Next();
  }

 private:
  void CountToken(const Ctx& ctx) {
    const SteadyTime now = Now();
    if (std::exchange(begun_, true)) {
      figures_.opea_between_tokens.Observe(now - last_);
    } else {
      figures_.first_token.Observe(now - start_, ctx);
      figures_.opea_first_token.Observe(now - start_, ctx);
    }
    last_ = now;
  }

  StreamPtr<AnswerPiece> pieces_;
  const MegaserviceFigures figures_;
  const PendingMegaservice pending_;
  const SteadyTime start_;
  SteadyTime last_;
  bool begun_ = false;
  StreamEnd end_;
};

std::string ResponseJson(std::string_view model, const WholeAnswer& answer) {
  const v1::Usage usage = answer.last.usage.value_or(v1::Usage());
  JsonWriter json(512 + answer.text.size());
  json.BeginObject().Field("id", AnswerId("chatcmpl-").substr(0, 9 + kIdLength));
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

/// What a client asks for.
struct Asked {
  ChatRequest chat;
  std::vector<std::pair<std::string, std::string>> parameters;
  std::vector<std::string> texts;  // of the files that came along
};

Result<Asked> ReadChat(std::string body) {
  Asked asked;
  TRY(asked.chat,
      ReadOpeaChat(std::move(body),
                   {"type", "summary_type", "chunk_size", "chunk_overlap", "agents_flag"},
                   &asked.parameters));
  for (const auto& [name, value] : asked.parameters) {
    if (name != "type" || value == "text") continue;
    const bool spoken = value == "audio" || value == "video";
    return InvalidField("type",
                        StrCat("\"", value, "\" is not supported: ",
                               spoken ? "this server does not transcribe; send what is said as text"
                                      : "send text"));
  }
  return asked;
}

// What is wrong with a file is said of its place in the form.
Status OfFile(const Status& status, std::size_t index) {
  if (!absl::IsInvalidArgument(status) && !absl::IsOutOfRange(status)) return status;
  return InvalidField(StrCat("files[", index, "]"), StdView(status.message()));
}

Task<Result<Asked>> ReadFormWithFiles(Ctx ctx, Contracts contracts, UploadPlace place,
                                      HttpRequest request) {
  CO_TRY(Form form, co_await ReadUpload(ctx, std::move(place), std::move(request)));
  if (form.Field("messages") == nullptr && !form.files.empty()) {
    form.fields.emplace_back("messages", "");
  }
  CO_TRY(Asked asked, ReadChat(OpeaFormJson(form.fields)));
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < form.files.size(); ++i) {
    const SpooledFile& file = form.files[i];
    if (file.field != "files") {
      co_return InvalidField(file.field.substr(0, 80), "is no field for a file; send \"files\"");
    }
    v1::ReadTextRequest read;
    *read.mutable_source() = SourceOf(file);
    Result<v1::ReadTextReply> reply = co_await contracts.dataprep.ReadText(ctx, std::move(read));
    CO_TRY(OfFile(reply.status(), i));
    for (v1::SourceText& document : *reply->mutable_documents()) {
      bytes += document.text().size();
      if (bytes > kBodyMax) {
        co_return InvalidField("files", StrCat("hold more than ", kBodyMax, " bytes of text"));
      }
      asked.texts.push_back(std::move(*document.mutable_text()));
    }
  }
  co_return asked;
}

// JSON, or a form with files or without.
Task<Result<Asked>> ReadRequest(Ctx ctx, Contracts contracts, UploadPlace place,
                                HttpRequest request) {
  const std::string media_type = MediaType(request.headers.Get("content-type"));
  if (media_type == "multipart/form-data") {
    co_return co_await ReadFormWithFiles(std::move(ctx), contracts, std::move(place),
                                         std::move(request));
  }
  std::string body = std::move(request.body);
  if (media_type == "application/x-www-form-urlencoded") {
    CO_TRY(const auto fields, ParseQuery(body));
    body = OpeaFormJson(fields);
  }
  co_return ReadChat(std::move(body));
}

// The messages, then the files, become the texts to work on.
Status MoveToDocuments(Asked asked, v1::RunRequest& run) {
  std::string text;
  for (const v1::Message& message : run.messages()) {
    if (message.role() == "user") StrAppend(&text, text.empty() ? "" : "\n\n", message.content());
  }
  run.clear_messages();
  if (text.empty() && asked.texts.empty()) {
    return InvalidField("messages", "is empty, and there are no files: there is nothing to read");
  }
  if (!text.empty()) run.add_documents(std::move(text));
  for (std::string& of_file : asked.texts) run.add_documents(std::move(of_file));
  return absl::OkStatus();
}

Task<Result<HttpReply>> Serve(const Megaservice* service, MegaserviceFigures figures,
                              Contracts contracts, UploadPlace place, Ctx ctx,
                              HttpRequest request) {
  const SteadyTime start = Now();
  PendingMegaservice pending(figures.opea_pending);
  CO_TRY(Asked asked, co_await ReadRequest(ctx, contracts, std::move(place), std::move(request)));
  const bool stream = asked.chat.stream;
  std::string collection = asked.chat.collection;
  if (collection.empty() && service->searches_by_default) collection = "default";
  v1::RunRequest run = ToRun(asked.chat, std::string(service->name), collection, "");
  for (auto& [name, value] : asked.parameters) {
    (*run.mutable_parameters())[name] = std::move(value);
  }
  if (service->of_texts) CO_TRY(MoveToDocuments(std::move(asked), run));
  run.set_answer_only(true);
  CO_TRY(StreamPtr<AnswerPiece> pieces, co_await StartRun(ctx, contracts, std::move(run)));
  if (stream) {
    co_return HttpReply::Streamed(
        200, "text/event-stream; charset=utf-8",
        std::make_unique<MegaserviceEvents>(std::move(pieces), figures, std::move(pending), start));
  }
  CO_TRY(const WholeAnswer answer, co_await ReadAnswerToEnd(ctx, std::move(pieces)));
  figures.request.Observe(Now() - start, ctx);
  co_return HttpReply::Json(200, ResponseJson(service->name, answer));
}

}  // namespace

void AddOpeaMegaservices(HttpRoutes& routes, Contracts contracts, UploadPlace place) {
  for (const Megaservice& service : kMegaservices) {
    Route route;
    route.method = HttpMethod::kPost;
    route.pattern = StrCat("/v1/", service.name);
    route.scope = "orchestration.run";
    route.errors = ErrorShape::kOpea;
    route.body = BodyKind::kBuffered;
    route.body_max = kBodyMax;
    const MegaserviceFigures figures = FiguresOf(service.name);
    route.handler = [contracts, place, figures, &service](Ctx ctx, HttpRequest request) {
      return Serve(&service, figures, contracts, place, std::move(ctx), std::move(request));
    };
    route.doc = {.summary = std::string(service.summary),
                 .tag = "opea",
                 .request_schema = kRequestSchema,
                 .request_example = R"({"messages": "What does it say?", "stream": false})",
                 .reply_example = kReplyExample,
                 .stream_example = kStreamExample,
                 .reply_may_stream = true};
    if (service.of_texts) {
      route.media_types = {"application/json", "multipart/form-data",
                           "application/x-www-form-urlencoded"};
      route.form_max = place.bytes_max;
      route.doc.form_schema = kFormSchema;
    }
    routes.Add(std::move(route));
  }
}

}  // namespace tessera
