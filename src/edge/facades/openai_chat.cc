// POST /v1/chat/completions: plain chat, and answers from documents with the models rag and
// rag:COLLECTION.

#include <memory>
#include <utility>

#include "base/ids.h"
#include "edge/facades/answer.h"
#include "edge/facades/openai_json.h"
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
    "response_format": {"type": "object"}, "user": {"type": "string"},
    "answer_mode": {"enum": ["auto", "extractive", "generative"], "description": "of rag models"}}})";

/// What stays the same in every chunk of a reply.
struct ChatHead {
  std::string id = NewId("chatcmpl-");
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
    if (ended_) co_return std::nullopt;
    if (choice_ == choices_.size()) {
      ended_ = true;
      co_return (include_usage_ ? SseEvent(UsageChunk()) : std::string()) + SseEvent("[DONE]");
    }
    Result<std::optional<AnswerPiece>> piece = co_await choices_[choice_]->Next(std::move(ctx));
    if (piece.ok() && !*piece)
      piece = absl::DataLossError("the answer ended before its end; try again");
    if (!piece.ok()) {
      ended_ = true;
      co_return SseEvent(StreamErrorJson(piece.status()));
    }
    co_return Events(**piece);
  }

 private:
  std::string Events(const AnswerPiece& piece) {
    std::string events;
    const bool last = piece.finish_reason != v1::FINISH_REASON_UNSPECIFIED;
    if (!begun_ || !piece.text.empty() || !piece.step.empty()) events = SseEvent(Chunk(piece));
    begun_ = true;
    if (!last) return events;
    if (piece.usage) Add(*piece.usage);
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
    json.Field("content", piece.text);
    json.EndObject().Key("logprobs").Null().Key("finish_reason").Null();
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

  void Add(const v1::Usage& usage) {
    usage_.set_prompt_tokens(std::max(usage_.prompt_tokens(), usage.prompt_tokens()));
    usage_.set_cached_tokens(std::max(usage_.cached_tokens(), usage.cached_tokens()));
    usage_.set_completion_tokens(usage_.completion_tokens() + usage.completion_tokens());
  }

  const ChatHead head_;
  std::vector<StreamPtr<AnswerPiece>> choices_;
  const bool include_usage_;
  std::size_t choice_ = 0;
  bool begun_ = false;
  bool ended_ = false;
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
    json.Field("role", "assistant").Field("content", answer.text).Key("refusal").Null();
    WriteAnnotations(json, answer.last.citations, head.origin);
    json.EndObject().Key("logprobs").Null();
    WriteFinishReason(json, answer.last.finish_reason);
    json.EndObject();
    if (!answer.last.usage) continue;
    usage.set_prompt_tokens(std::max(usage.prompt_tokens(), answer.last.usage->prompt_tokens()));
    usage.set_cached_tokens(std::max(usage.cached_tokens(), answer.last.usage->cached_tokens()));
    usage.set_completion_tokens(usage.completion_tokens() + answer.last.usage->completion_tokens());
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
  route.handler = [contracts](Ctx ctx, HttpRequest request) {
    return Chat(contracts, std::move(ctx), std::move(request));
  };
  route.doc = {
      .summary = "Chat with a language model, or with your documents (model rag or rag:COLLECTION)",
      .tag = "openai",
      .request_schema = kRequestSchema,
      .request_example =
          R"({"model": "rag", "messages": [{"role": "user", "content": "What does it say?"}]})",
      .reply_may_stream = true};
  routes.Add(std::move(route));
}

}  // namespace tessera
