// The back ends of a chat pipeline, answering at once: TEI's /embed and /rerank, OPEA's
// /v1/retrieval, OpenAI's /v1/embeddings and /v1/chat/completions, all on one port. Prints its
// port, then serves until its standard input ends. How the language model misbehaves is set while
// it runs:
//
//   POST /set {"tokens": 16, "coalesce": 1, "cut": 0, "fail_after": -1, "break_after": -1,
//              "suffix": "", "status": 200, "embed_status": 200, "rerank_status": 200,
//              "search_status": 200}
//
// `coalesce` events go in one write; `cut` bytes a write, wherever that cuts an event; after
// `fail_after` tokens an error event ends the stream, after `break_after` the connection is cut.
// GET /stats counts calls and tokens.

#include <atomic>
#include <charconv>
#include <cstdio>
#include <mutex>

#include <unistd.h>

#include "base/json.h"
#include "base/json_writer.h"
#include "net/http_server.h"
#include "net/sse.h"
#include "runtime/thread_pool.h"

namespace tessera {
namespace {

constexpr int kDimension = 768;
constexpr int kDocuments = 4;
constexpr std::size_t kBodyMax = std::size_t{16} << 20;

struct Behaviour {
  std::int64_t tokens = 16, coalesce = 1, cut = 0, fail_after = -1, break_after = -1;
  std::string suffix;  // of each token
  std::int64_t status = 200, embed_status = 200, rerank_status = 200, search_status = 200;
};

std::string Token(std::int64_t index) { return StrCat(" tok", index); }

std::string ChunkJson(std::int64_t index, const std::string& suffix) {
  JsonWriter json;
  json.BeginObject().Field("id", "chatcmpl-1").Field("object", "chat.completion.chunk");
  json.Field("created", 1).Field("model", "instant").Key("choices").BeginArray().BeginObject();
  json.Field("index", 0).Key("delta").BeginObject().Field("role", "assistant");
  json.Field("content", Token(index) + suffix).EndObject().Key("logprobs").Null();
  json.Key("finish_reason").Null().EndObject().EndArray().EndObject();
  return json.Take();
}

std::string AnswerJson(std::int64_t tokens) {
  std::string text;
  for (std::int64_t i = 0; i < tokens; ++i) text += Token(i);
  JsonWriter json;
  json.BeginObject().Field("id", "chatcmpl-1").Field("object", "chat.completion");
  json.Field("created", 1).Field("model", "instant").Key("choices").BeginArray().BeginObject();
  json.Field("index", 0).Key("message").BeginObject().Field("role", "assistant");
  json.Field("content", text).EndObject().Field("finish_reason", "stop").EndObject().EndArray();
  json.Key("usage").BeginObject().Field("prompt_tokens", 10).Field("completion_tokens", tokens);
  json.Field("total_tokens", 10 + tokens).EndObject().EndObject();
  return json.Take();
}

void WriteVector(JsonWriter& json) {
  json.BeginArray();
  for (int i = 0; i < kDimension; ++i) json.Value((i * 37 % 97) / 1000.0 - 0.04837);
  json.EndArray();
}

std::string EmbedJson(std::size_t texts) {
  JsonWriter json(texts * kDimension * 8);
  json.BeginArray();
  for (std::size_t text = 0; text < texts; ++text) WriteVector(json);
  json.EndArray();
  return json.Take();
}

std::string EmbeddingsJson(std::size_t texts) {
  JsonWriter json(texts * kDimension * 8);
  json.BeginObject().Field("object", "list").Field("model", "instant").Key("data").BeginArray();
  for (std::size_t text = 0; text < texts; ++text) {
    json.BeginObject().Field("object", "embedding").Field("index", text).Key("embedding");
    WriteVector(json);
    json.EndObject();
  }
  json.EndArray().Key("usage").BeginObject().Field("prompt_tokens", 1).Field("total_tokens", 1);
  json.EndObject().EndObject();
  return json.Take();
}

std::string SearchJson() {
  std::string text;
  for (int i = 0; i < 6; ++i)
    text += "The valves of the engine are greased with tallow on Tuesdays. ";
  JsonWriter json(4096);
  json.BeginObject().Field("id", "r1").Key("retrieved_docs").BeginArray();
  for (int i = 0; i < kDocuments; ++i) {
    json.BeginObject().Field("id", StrCat("d", i)).Field("text", StrCat(i, ": ", text));
    json.EndObject();
  }
  json.EndArray().Field("initial_query", "What is greased?").Field("top_n", 1);
  json.Key("metadata").BeginArray().EndArray().EndObject();
  return json.Take();
}

// Best first, as TEI sends it; the last text is the best.
std::string RerankJson(std::size_t texts) {
  JsonWriter json;
  json.BeginArray();
  for (std::size_t i = texts; i-- > 0;) {
    json.BeginObject().Field("index", i);
    json.Field("score", 0.1 + 0.8 * static_cast<double>(i) / static_cast<double>(texts))
        .EndObject();
  }
  json.EndArray();
  return json.Take();
}

/// The tokens of an answer, written as the behaviour says.
class AnswerEvents final : public Stream<std::string> {
 public:
  AnswerEvents(Behaviour how, std::atomic<std::uint64_t>* tokens) : how_(how), tokens_(tokens) {}
  Task<Result<std::optional<std::string>>> Next(Ctx) override {
    if (how_.cut > 0) co_return NextCut();
    if (next_ == how_.break_after) co_return absl::AbortedError("cut here");
    std::string events;
    for (std::int64_t i = 0; i < how_.coalesce && !ended_; ++i) {
      if (next_ == how_.break_after && !events.empty()) break;
      events += NextEvent();
    }
    if (events.empty()) co_return std::nullopt;
    co_return events;
  }

 private:
  std::string NextEvent() {
    if (next_ == how_.fail_after) {
      ended_ = true;
      return SseEvent(
          R"({"error":{"message":"the model ran out of memory","type":"server_error"}})");
    }
    if (next_ == how_.tokens) {
      ended_ = true;
      return SseEvent("[DONE]");
    }
    tokens_->fetch_add(1, std::memory_order_relaxed);
    return SseEvent(ChunkJson(next_++, how_.suffix));
  }
  std::optional<std::string> NextCut() {
    while (!ended_ && rest_.size() < static_cast<std::size_t>(how_.cut)) rest_ += NextEvent();
    if (rest_.empty()) return std::nullopt;
    std::string piece = rest_.substr(0, static_cast<std::size_t>(how_.cut));
    rest_.erase(0, piece.size());
    return piece;
  }

  const Behaviour how_;
  std::atomic<std::uint64_t>* const tokens_;
  std::int64_t next_ = 0;
  bool ended_ = false;
  std::string rest_;
};

class BackEnds final : public HttpService {
 public:
  Admission Admit(HttpRequest&) override {
    Admission admission;
    admission.body = BodyKind::kBuffered;
    admission.body_max = kBodyMax;
    return admission;
  }

  Task<HttpReply> Handle(Ctx, HttpRequest request) override {
    const Behaviour how = behaviour();
    if (request.path == "/stats") co_return HttpReply::Json(200, Stats());
    const auto document = JsonDocument::Parse(std::move(request.body));
    if (!document.ok()) co_return Failure(400);
    const JsonValue root = document->root();
    if (request.path == "/set") co_return Set(root);
    if (request.path == "/embed") {
      embeds_.fetch_add(1, std::memory_order_relaxed);
      if (how.embed_status != 200) co_return Failure(how.embed_status);
      const auto inputs = root.Find("inputs");
      const std::size_t texts = inputs && inputs->is_array() ? inputs->Elements().size() : 1;
      co_return HttpReply::Json(200, texts == 1 ? one_embedding_ : EmbedJson(texts));
    }
    if (request.path == "/v1/embeddings") {
      embeds_.fetch_add(1, std::memory_order_relaxed);
      if (how.embed_status != 200) co_return Failure(how.embed_status);
      const auto inputs = root.Find("input");
      const std::size_t texts = inputs && inputs->is_array() ? inputs->Elements().size() : 1;
      co_return HttpReply::Json(200, EmbeddingsJson(texts));
    }
    if (request.path == "/v1/retrieval") {
      searches_.fetch_add(1, std::memory_order_relaxed);
      if (how.search_status != 200) co_return Failure(how.search_status);
      co_return HttpReply::Json(200, found_);
    }
    if (request.path == "/rerank") {
      reranks_.fetch_add(1, std::memory_order_relaxed);
      if (how.rerank_status != 200) co_return Failure(how.rerank_status);
      const auto texts = root.Find("texts");
      co_return HttpReply::Json(200, RerankJson(texts ? texts->Elements().size() : 0));
    }
    if (request.path != "/v1/chat/completions") co_return Failure(404);
    answers_.fetch_add(1, std::memory_order_relaxed);
    if (how.status != 200) co_return Failure(how.status);
    const auto stream = root.Find("stream");
    if (!stream || !stream->AsBool().value_or(false)) {
      co_return HttpReply::Json(200, AnswerJson(how.tokens));
    }
    co_return HttpReply::EventStream(std::make_unique<AnswerEvents>(how, &tokens_));
  }

  HttpReply OnBadRequest(const HttpRequest*, int status, std::string_view) override {
    return HttpReply::Empty(status);
  }

 private:
  static HttpReply Failure(std::int64_t status) {
    return HttpReply::Json(static_cast<int>(status),
                           R"({"error":{"message":"the back end fails as told"}})");
  }

  Behaviour behaviour() const {
    std::lock_guard lock(mutex_);
    return behaviour_;
  }

  HttpReply Set(JsonValue root) {
    Behaviour how;
    JsonErrors errors;
    JsonFields fields(root, "", errors);
    fields.Int("tokens", &how.tokens, 0, 100'000);
    fields.Int("coalesce", &how.coalesce, 1, 100'000);
    fields.Int("cut", &how.cut, 0, 1 << 20);
    fields.Int("fail_after", &how.fail_after);
    fields.Int("break_after", &how.break_after);
    fields.String("suffix", &how.suffix, 100);
    fields.Int("status", &how.status, 200, 599);
    fields.Int("embed_status", &how.embed_status, 200, 599);
    fields.Int("rerank_status", &how.rerank_status, 200, 599);
    fields.Int("search_status", &how.search_status, 200, 599);
    fields.Finish();
    if (!errors.ok()) return HttpReply::Text(400, errors.status().ToString());
    std::lock_guard lock(mutex_);
    behaviour_ = how;
    return HttpReply::Empty(204);
  }

  std::string Stats() const {
    JsonWriter json;
    json.BeginObject().Field("embed", embeds_.load()).Field("retrieval", searches_.load());
    json.Field("rerank", reranks_.load()).Field("chat", answers_.load());
    json.Field("tokens", tokens_.load()).EndObject();
    return json.Take();
  }

  const std::string one_embedding_ = EmbedJson(1);
  const std::string found_ = SearchJson();
  mutable std::mutex mutex_;
  Behaviour behaviour_;
  std::atomic<std::uint64_t> embeds_{0}, searches_{0}, reranks_{0}, answers_{0}, tokens_{0};
};

int Main() {
  IoLoops loops(1);
  ThreadPool blocking("blocking", 1);
  BackEnds service;
  HttpServerConfig config;
  config.port = 0;
  config.requests_per_connection_max = 1'000'000'000;
  HttpServer server(config, service, loops, blocking);
  const Status started = server.Start();
  if (!started.ok()) {
    std::fprintf(stderr, "%s\n", started.ToString().c_str());
    return 1;
  }
  std::printf("%d\n", server.port());
  std::fflush(stdout);
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
  return SyncWait(server.Drain(SystemCtx().WithTimeout(std::chrono::seconds(1)))).ok() ? 0 : 1;
}

}  // namespace
}  // namespace tessera

int main() { return tessera::Main(); }
