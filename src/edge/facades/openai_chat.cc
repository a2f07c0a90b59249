// POST /v1/chat/completions: plain chat, and answers from documents with the models rag and
// rag:COLLECTION.

#include <functional>
#include <memory>
#include <utility>

#include "base/ids.h"
#include "edge/facades/answer.h"
#include "edge/facades/openai_json.h"
#include "edge/stream_end.h"
#include "net/sse.h"
#include "runtime/when_all.h"

namespace tessera {
namespace {

constexpr char kRequestSchema[] = R"({
  "type": "object", "required": ["model", "messages"],
  "properties": {
    "model": {"type": "string", "description": "a language model, rag, or rag:COLLECTION"},
    "messages": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["role"],
      "properties": {"role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
                     "content": {"type": ["string", "array"]}}}},
    "stream": {"type": "boolean"}, "stream_options": {"type": "object"},
    "max_tokens": {"type": "integer"}, "max_completion_tokens": {"type": "integer"},
    "temperature": {"type": "number"}, "top_p": {"type": "number"}, "top_k": {"type": "integer"},
    "min_p": {"type": "number"}, "seed": {"type": "integer"}, "n": {"type": "integer"},
    "stop": {"type": ["string", "array"]}, "frequency_penalty": {"type": "number"},
    "presence_penalty": {"type": "number"}, "repetition_penalty": {"type": "number"},
    "response_format": {"type": "object"}, "tools": {"type": "array", "items": {"type": "object"}},
    "tool_choice": {"type": ["string", "object"]}, "parallel_tool_calls": {"type": "boolean"},
    "logprobs": {"type": "boolean"}, "top_logprobs": {"type": "integer", "maximum": 20}, "user": {"type": "string"},
    "answer_mode": {"enum": ["auto", "extractive", "generative"], "description": "of rag models"}}})";

constexpr char kReplyExample[] = R"({
  "id": "chatcmpl-…", "object": "chat.completion", "created": 1790000000, "model": "rag",
  "choices": [{"index": 0, "message": {"role": "assistant", "content": "“The notice period is six weeks.” [1]",
    "refusal": null, "annotations": [{"type": "url_citation",
      "url_citation": {"url": "http://127.0.0.1:8080/documents/file-…?chunk=2&start=310&end=343",
                       "title": "lease.pdf", "start_index": 35, "end_index": 38},
      "number": 1, "document": "lease.pdf", "document_id": "file-…", "page": 2,
      "quote": "The notice period is six weeks.", "score": 0.83}]},
    "logprobs": null, "finish_reason": "stop"}],
  "usage": {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21,
            "prompt_tokens_details": {"cached_tokens": 0}},
  "tessera": {"answer_mode": "extractive", "nothing_found": false}})";

constexpr char kStreamExample[] =
    "data: {\"id\":\"chatcmpl-…\",\"object\":\"chat.completion.chunk\",…,\"choices\":[{\"index\":0,"
    "\"delta\":{\"role\":\"assistant\",\"content\":\"The\"},\"finish_reason\":null}]}\n\n"
    "data: "
    "{…,\"choices\":[{\"index\":0,\"delta\":{\"annotations\":[…]},\"finish_reason\":\"stop\"}],"
    "\"tessera\":{…}}\n\ndata: [DONE]";

constexpr char kDescription[] =
    "`tools` are for models behind an OpenAI-compatible server; models that run here refuse them "
    "and take `response_format` instead. `logprobs` come from both.";

/// What stays the same in every chunk of a reply.
struct ChatHead {
  std::string id = AnswerId("chatcmpl-");
  std::int64_t created = UnixSeconds();
  std::string model;
  std::string origin;
};

void OpenChunk(JsonWriter& json, const ChatHead& head, std::string_view object) {
  json.BeginObject();
  json.Field("id", head.id)
      .Field("object", object)
      .Field("created", head.created)
      .Field("model", head.model);
}

/// The chunks of one chat with its choices, one choice after the other.
class ChatEvents final : public Stream<std::string> {
 public:
  ChatEvents(ChatHead head, std::vector<StreamPtr<AnswerPiece>> choices, bool include_usage)
      : head_(std::move(head)), choices_(std::move(choices)), include_usage_(include_usage) {}

  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    if (end_.reached()) co_return end_.Next();
    if (choice_ == choices_.size()) {
      end_.Well();
      co_return (include_usage_ ? SseEvent(UsageChunk()) : std::string()) + SseEvent("[DONE]");
    }
    Result<std::optional<AnswerPiece>> piece = co_await choices_[choice_]->Next(std::move(ctx));
    if (piece.ok() && !*piece)
      piece = absl::DataLossError("the answer ended before its end; try again");
    if (!piece.ok()) {
      end_.Told(piece.status());
      co_return SseEvent(StreamErrorJson(piece.status()));
    }
    co_return Events(**piece);
  }

 private:
  std::string Events(const AnswerPiece& piece) {
    std::string events;
    const bool last = piece.finish_reason != v1::FINISH_REASON_UNSPECIFIED;
    const bool says = !piece.text.empty() || !piece.step.empty() || !piece.tool_calls.empty() ||
                      !piece.logprobs.empty();
    if (!begun_ || says) events = SseEvent(Chunk(piece));
    begun_ = true;
    if (!last) return events;
    if (piece.usage) AddUsage(*piece.usage, Prompts::kOne, &usage_);
    events += SseEvent(FinishChunk(piece));
    ++choice_;
    begun_ = false;
    return events;
  }

  std::string Chunk(const AnswerPiece& piece) const {
    JsonWriter json;
    OpenChunk(json, head_, "chat.completion.chunk");
    json.Key("choices").BeginArray().BeginObject();
    json.Field("index", choice_).Key("delta").BeginObject();
    if (!begun_) json.Field("role", "assistant");
    if (piece.tool_calls.empty() || !piece.text.empty()) json.Field("content", piece.text);
    WriteToolCalls(json, piece.tool_calls, true);
    json.EndObject();
    WriteLogprobs(json, piece.logprobs);
    json.Key("finish_reason").Null();
    json.EndObject().EndArray();
    if (!piece.step.empty())
      json.Key("tessera").BeginObject().Field("step", piece.step).EndObject();
    json.EndObject();
    return json.Take();
  }

  std::string FinishChunk(const AnswerPiece& last) const {
    JsonWriter json;
    OpenChunk(json, head_, "chat.completion.chunk");
    json.Key("choices").BeginArray().BeginObject();
    json.Field("index", choice_).Key("delta").BeginObject();
    if (!last.citations.empty()) WriteAnnotations(json, last.citations, head_.origin);
    json.EndObject().Key("logprobs").Null();
    WriteFinishReason(json, last.finish_reason);
    json.EndObject().EndArray();
    if (last.of_documents) WriteAnswerNote(json, last);
    json.EndObject();
    return json.Take();
  }

  std::string UsageChunk() const {
    JsonWriter json;
    OpenChunk(json, head_, "chat.completion.chunk");
    json.Key("choices").BeginArray().EndArray();
    WriteUsage(json, usage_);
    json.EndObject();
    return json.Take();
  }

  const ChatHead head_;
  std::vector<StreamPtr<AnswerPiece>> choices_;
  const bool include_usage_;
  std::size_t choice_ = 0;
  bool begun_ = false;
  StreamEnd end_;
  v1::Usage usage_;
};

std::string CompletionJson(const ChatHead& head, const std::vector<WholeAnswer>& answers) {
  v1::Usage usage;
  JsonWriter json(1024);
  OpenChunk(json, head, "chat.completion");
  json.Key("choices").BeginArray();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const WholeAnswer& answer = answers[i];
    json.BeginObject().Field("index", i).Key("message").BeginObject();
    json.Field("role", "assistant").Key("content");
    const bool calls_only = answer.text.empty() && !answer.tool_calls.empty();
    calls_only ? json.Null() : json.Value(answer.text);
    json.Key("refusal").Null();
    WriteToolCalls(json, answer.tool_calls, false);
    WriteAnnotations(json, answer.last.citations, head.origin);
    json.EndObject();
    WriteLogprobs(json, answer.logprobs);
    WriteFinishReason(json, answer.last.finish_reason);
    json.EndObject();
    if (answer.last.usage) AddUsage(*answer.last.usage, Prompts::kOne, &usage);
  }
  json.EndArray();
  WriteUsage(json, usage);
  if (answers.front().last.of_documents) WriteAnswerNote(json, answers.front().last);
  json.EndObject();
  return json.Take();
}

// Choices with a seed get seeds of their own: the same request gives the same choices, but not the
// same one n times.
ChatRequest ForChoice(ChatRequest chat, std::uint32_t choice) {
  if (chat.sampling.has_seed()) chat.sampling.set_seed(chat.sampling.seed() + choice);
  return chat;
}

Task<Result<HttpReply>> Chat(Contracts contracts, Ctx ctx, HttpRequest request) {
  CO_TRY(ChatRequest chat, ReadOpenAiChat(std::move(request.body)));
  ChatHead head;
  head.model = chat.model;
  head.origin = Origin(request);
  std::vector<StreamPtr<AnswerPiece>> choices;
  for (std::uint32_t i = 0; i < chat.n; ++i) {
    CO_TRY(StreamPtr<AnswerPiece> pieces, co_await StartAnswer(ctx, contracts, ForChoice(chat, i)));
    choices.push_back(std::move(pieces));
  }
  if (chat.stream) {
    co_return HttpReply::EventStream(
        std::make_unique<ChatEvents>(std::move(head), std::move(choices), chat.include_usage));
  }
  std::vector<Task<Result<WholeAnswer>>> reads;
  for (StreamPtr<AnswerPiece>& choice : choices)
    reads.push_back(ReadAnswerToEnd(ctx, std::move(choice)));
  std::vector<WholeAnswer> answers;
  for (Result<WholeAnswer>& answer : co_await WhenAll(std::move(reads))) {
    CO_TRY(WholeAnswer whole, std::move(answer));
    answers.push_back(std::move(whole));
  }
  co_return HttpReply::Json(200, CompletionJson(head, answers));
}

}  // namespace

void AddOpenAiChat(HttpRoutes& routes, Contracts contracts) {
  Route route;
  route.method = HttpMethod::kPost;
  route.pattern = "/v1/chat/completions";
  route.scope = "inference.run";
  route.errors = ErrorShape::kOpenAi;
  route.body = BodyKind::kBuffered;
  route.handler = std::bind_front(Chat, contracts);
  route.doc = {
      .summary = "Chat with a language model, or with your documents (model rag or rag:COLLECTION)",
      .description = kDescription,
      .tag = "openai",
      .request_schema = kRequestSchema,
      .request_example =
          R"({"model": "rag", "messages": [{"role": "user", "content": "What does it say?"}]})",
      .reply_example = kReplyExample,
      .stream_example = kStreamExample,
      .reply_may_stream = true};
  routes.Add(std::move(route));
}

}  // namespace tessera
