// An OpenAI-compatible server whose answers have a pace and are numbered, for tests:
//   paced_engine [EMBED_MS [PORT]]
//       prints its port, ends with stdin; an embedding takes EMBED_MS
// POST /v1/chat/completions: the last "tokens=N" and "pace_ms=P" of the body say how many tokens
// come how far apart;
//     they read "0 1 2 …", so that a lost or repeated one shows. POST /v1/embeddings: 64 numbers,
//     the same for the same text. GET /stats: how often each request id was seen, what ended
//     early, and how many calls came with each key.
#include <algorithm>
#include <charconv>
#include <iostream>
#include <map>
#include <mutex>
#include <string>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "net/http_server.h"
#include "net/sse.h"
#include "runtime/thread_pool.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

constexpr std::size_t kDimension = 64;
constexpr std::size_t kRepeatedMax = 20;
constexpr std::uint64_t kBodyMax = 4 << 20;

/// What the engine has seen. Thread-safe.
class Ledger {
 public:
  void Chat(const std::string& id, const std::string& key) {
    std::lock_guard lock(mutex_);
    ++chats_;
    ++seen_[id];
    ++by_key_[key];
  }
  void Embedded(const std::string& key) {
    std::lock_guard lock(mutex_);
    ++embedded_;
    ++by_key_[key];
  }
  void Opened() {
    std::lock_guard lock(mutex_);
    ++open_;
  }
  void Closed(bool whole) {
    std::lock_guard lock(mutex_);
    --open_;
    if (!whole) ++cut_;
  }
  std::string Json() const {
    std::lock_guard lock(mutex_);
    JsonWriter json;
    json.BeginObject().Field("chats", chats_).Field("distinct", seen_.size());
    json.Field("embedded", embedded_).Field("open", open_).Field("cut", cut_);
    json.Key("repeated").BeginArray();
    std::size_t shown = 0;
    for (const auto& [id, count] : seen_) {
      if (count > 1 && shown++ < kRepeatedMax) json.Value(id);
    }
    json.EndArray().Key("by_key").BeginObject();
    for (const auto& [key, count] : by_key_) json.Field(key, count);
    json.EndObject().EndObject();
    return json.Take();
  }

 private:
  mutable std::mutex mutex_;
  std::uint64_t chats_ = 0;
  std::uint64_t embedded_ = 0;
  std::int64_t open_ = 0;
  std::uint64_t cut_ = 0;  // answers that were not read to their end
  std::map<std::string, std::uint64_t> seen_;
  std::map<std::string, std::uint64_t> by_key_;  // "Bearer …": who called
};

/// The number behind the last `name` in `text`.
std::uint64_t NumberBehind(std::string_view text, std::string_view name, std::uint64_t otherwise) {
  const std::size_t at = text.rfind(name);
  if (at == std::string_view::npos) return otherwise;
  std::uint64_t number = otherwise;
  std::from_chars(text.data() + at + name.size(), text.data() + text.size(), number);
  return number;
}

std::string Chunk(std::string_view content, bool last) {
  JsonWriter json;
  json.BeginObject().Field("id", "paced").Field("object", "chat.completion.chunk");
  json.Field("created", 1).Field("model", "paced").Key("choices").BeginArray().BeginObject();
  json.Field("index", 0).Key("delta").BeginObject();
  if (!last) json.Field("content", content);
  json.EndObject().Key("finish_reason");
  last ? json.Value("stop") : json.Null();
  json.EndObject().EndArray().EndObject();
  return SseEvent(json.text());
}

/// "0 1 2 …", each number at its time, whatever the reader's own pace was before.
class PacedTokens final : public Stream<std::string> {
 public:
  PacedTokens(Ledger& ledger, std::uint64_t count, Duration pace)
      : ledger_(ledger), count_(count), pace_(pace) {
    ledger_.Opened();
  }
  ~PacedTokens() override { ledger_.Closed(whole_); }

  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    if (whole_) co_return std::optional<std::string>();
    if (next_ == count_) {
      whole_ = true;
      co_return StrCat(Chunk("", true), SseEvent("[DONE]"));
    }
    const SteadyTime due = begun_ + pace_ * static_cast<std::int64_t>(next_);
    if (due > Now()) CO_TRY(co_await SleepFor(ctx, due - Now()));
    co_return Chunk(StrCat(next_++, " "), false);
  }

 private:
  Ledger& ledger_;
  const std::uint64_t count_;
  const Duration pace_;
  const SteadyTime begun_ = Now();
  std::uint64_t next_ = 0;
  bool whole_ = false;
};

// Words count, their order does not: texts that share words are near each other.
std::string EmbeddingJson(std::string_view text) {
  std::vector<double> values(kDimension, 0.01);
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : StrCat(text, " ")) {
    if (c == ' ') {
      values[hash % kDimension] += 1;
      hash = 0xcbf29ce484222325;
    } else {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
  }
  JsonWriter json;
  json.BeginArray();
  for (const double value : values) json.Value(value);
  json.EndArray();
  return json.Take();
}

HttpReply Embeddings(const std::string& body) {
  const Result<JsonDocument> document = JsonDocument::Parse(body);
  const auto input = document.ok() ? document->root().Find("input") : std::nullopt;
  if (!input) return HttpReply::Json(400, R"({"error":{"message":"no input"}})");
  std::vector<JsonValue> texts = input->Elements();
  if (input->is_string()) texts = {*input};
  JsonWriter json;
  json.BeginObject().Field("object", "list").Key("data").BeginArray();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    json.BeginObject().Field("object", "embedding").Field("index", i).Key("embedding");
    json.Raw(EmbeddingJson(texts[i].AsString().value_or(""))).EndObject();
  }
  json.EndArray().Key("usage").BeginObject().Field("prompt_tokens", 1).EndObject().EndObject();
  return HttpReply::Json(200, json.Take());
}

class PacedEngine final : public HttpService {
 public:
  explicit PacedEngine(Duration embed_time) : embed_time_(embed_time) {}
  Admission Admit(HttpRequest& request) override {
    Admission admission;
    if (request.method == HttpMethod::kPost) admission.body = BodyKind::kBuffered;
    admission.body_max = kBodyMax;
    return admission;
  }
  Task<HttpReply> Handle(Ctx ctx, HttpRequest request) override {
    if (request.path == "/stats") co_return HttpReply::Json(200, ledger_.Json());
    const std::string key(request.headers.Get("authorization"));
    if (request.path == "/v1/embeddings") {
      ledger_.Embedded(key);
      const Status ignored = co_await SleepFor(ctx, embed_time_);
      co_return Embeddings(request.body);
    }
    if (request.path != "/v1/chat/completions") co_return HttpReply::Empty(404);
    ledger_.Chat(std::string(request.headers.Get("x-request-id")), key);
    const std::uint64_t count = NumberBehind(request.body, "tokens=", 8);
    const std::uint64_t pace = NumberBehind(request.body, "pace_ms=", 0);
    co_return HttpReply::EventStream(
        std::make_unique<PacedTokens>(ledger_, count, std::chrono::milliseconds(pace)));
  }
  HttpReply OnBadRequest(const HttpRequest*, int status, std::string_view) override {
    return HttpReply::Empty(status);
  }

 private:
  const Duration embed_time_;
  Ledger ledger_;
};

int Serve(Duration embed_time, std::uint16_t port) {
  IoLoops loops(1);
  ThreadPool blocking("blocking", 1);
  PacedEngine engine(embed_time);
  HttpServerConfig config;
  config.port = port;
  HttpServer server(config, engine, loops, blocking);
  const Status started = server.Start();
  if (!started.ok()) {
    std::cerr << started << "\n";
    return 1;
  }
  std::cout << server.port() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
  }
  const Status ignored = SyncWait(server.Drain(Ctx().WithTimeout(std::chrono::seconds(1))));
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  const std::chrono::milliseconds embed_time(argc > 1 ? std::stoi(argv[1]) : 0);
  return tessera::Serve(embed_time, static_cast<std::uint16_t>(argc > 2 ? std::stoi(argv[2]) : 0));
}
