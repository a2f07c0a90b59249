// Load for the move tests: requests at a steady rate, whatever the server does, and chat streams
// that stay open.
//   move_load URL KEY RUN RATE STREAMS STREAM_SECONDS [CSV]
//       prints "ready" when all streams are open; ends, without starting more, when stdin ends, and
//       prints one JSON object. Ids are "RUN-…". CSV: one line a short request: milliseconds since
//       1970 when it was due, microseconds until its whole reply, its kind.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "net/http_client.h"
#include "net/sse.h"
#include "runtime/scope.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

constexpr std::uint64_t kReplyMax = 1 << 20;
constexpr std::size_t kReasonsMax = 20;
constexpr std::uint64_t kShortTokens = 5;
constexpr std::uint64_t kPaceMs = 250;

enum class Kind : std::uint8_t { kEmbed, kSearch, kModels, kChat, kStream };
constexpr const char* kNames[] = {"embed", "search", "models", "chat", "stream"};
// Of ten short requests; a chat is not idempotent.
constexpr Kind kMix[] = {Kind::kEmbed, Kind::kSearch, Kind::kChat,   Kind::kEmbed,  Kind::kModels,
                         Kind::kEmbed, Kind::kSearch, Kind::kSearch, Kind::kModels, Kind::kChat};

struct Options {
  std::string url, key, run;
  double rate = 0;
  std::uint64_t streams = 0;
  std::uint64_t stream_seconds = 0;
  std::string csv;
};

struct Sample {
  std::int64_t at_ms = 0;
  std::int64_t us = 0;
  Kind kind = Kind::kEmbed;
};

/// What came of it. Thread-safe.
class Report {
 public:
  void Begin(Kind kind) { ++begun_[static_cast<std::size_t>(kind)]; }
  void End(const Sample& sample, const std::string& id, const Status& status) {
    std::lock_guard lock(mutex_);
    ++ended_[static_cast<std::size_t>(sample.kind)];
    if (sample.kind != Kind::kStream) samples_.push_back(sample);
    if (status.ok()) return;
    (absl::IsDataLoss(status) ? truncated_ : failed_) += 1;
    ++failed_by_[static_cast<std::size_t>(sample.kind)];
    if (reasons_.size() < kReasonsMax) reasons_.push_back(Reason{sample, id, status.ToString()});
  }
  std::string Json() const;
  void WriteCsv(const std::string& path) const;

 private:
  struct Reason {
    Sample sample;
    std::string id, why;
  };
  std::atomic<std::uint64_t> begun_[5] = {};
  mutable std::mutex mutex_;
  std::uint64_t ended_[5] = {};
  std::uint64_t failed_by_[5] = {};  // truncated ones too
  std::uint64_t failed_ = 0;
  std::uint64_t truncated_ = 0;  // answers with tokens lost, repeated or cut
  std::vector<Sample> samples_;
  std::vector<Reason> reasons_;
};

std::string Report::Json() const {
  std::lock_guard lock(mutex_);
  std::vector<std::int64_t> sorted;
  for (const Sample& sample : samples_) sorted.push_back(sample.us);
  std::sort(sorted.begin(), sorted.end());
  const auto quantile = [&sorted](double part) {
    if (sorted.empty()) return 0.0;
    const auto at = static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1));
    return static_cast<double>(sorted[at]) / 1000;
  };
  JsonWriter json;
  json.BeginObject().Key("begun").BeginObject();
  for (std::size_t i = 0; i < 5; ++i) json.Field(kNames[i], begun_[i].load());
  json.EndObject().Key("ended").BeginObject();
  for (std::size_t i = 0; i < 5; ++i) json.Field(kNames[i], ended_[i]);
  json.EndObject().Field("failed", failed_).Field("truncated", truncated_);
  json.Key("failed_by").BeginObject();
  for (std::size_t i = 0; i < 5; ++i) json.Field(kNames[i], failed_by_[i]);
  json.EndObject();
  json.Field("p50_ms", quantile(0.5)).Field("p99_ms", quantile(0.99));
  json.Field("max_ms", quantile(1)).Key("reasons").BeginArray();
  for (const Reason& reason : reasons_) {
    json.BeginObject().Field("at_ms", reason.sample.at_ms);
    json.Field("after_ms", reason.sample.us / 1000);
    json.Field("kind", kNames[static_cast<std::size_t>(reason.sample.kind)]);
    json.Field("id", reason.id).Field("why", reason.why).EndObject();
  }
  json.EndArray().EndObject();
  return json.Take();
}

void Report::WriteCsv(const std::string& path) const {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return;
  std::lock_guard lock(mutex_);
  for (const Sample& sample : samples_)
    std::fprintf(file, "%lld,%lld,%s\n", static_cast<long long>(sample.at_ms),
                 static_cast<long long>(sample.us), kNames[static_cast<std::size_t>(sample.kind)]);
  std::fclose(file);
}

std::string ChatBody(std::uint64_t tokens, std::uint64_t pace_ms, bool stream) {
  JsonWriter json;
  json.BeginObject().Field("model", "paced").Field("stream", stream);
  json.Field("max_tokens", tokens + 1).Key("messages").BeginArray().BeginObject();
  json.Field("role", "user").Field("content", StrCat("tokens=", tokens, " pace_ms=", pace_ms));
  json.EndObject().EndArray().EndObject();
  return json.Take();
}

HttpClientRequest RequestFor(const Options& options, Kind kind, const std::string& id) {
  HttpClientRequest request;
  request.headers.Add("authorization", StrCat("Bearer ", options.key));
  request.headers.Add("content-type", "application/json");
  request.headers.Add("x-request-id", id);
  if (kind != Kind::kModels) request.method = HttpMethod::kPost;
  switch (kind) {
    case Kind::kEmbed:
      request.url = options.url + "/v1/embeddings";
      request.body = R"({"model":"vectors","input":"the zephyr engine"})";
      break;
    case Kind::kSearch:
      request.url = options.url + "/api/v1/collections/default/search";
      request.body = R"({"query":"Who designed the Zephyr engine?"})";
      break;
    case Kind::kModels:
      request.url = options.url + "/v1/models";
      break;
    case Kind::kChat:
      request.url = options.url + "/v1/chat/completions";
      request.body = ChatBody(kShortTokens, 0, false);
      break;
    case Kind::kStream:
      request.url = options.url + "/v1/chat/completions";
      request.body = ChatBody(options.stream_seconds * 1000 / kPaceMs, kPaceMs, true);
      break;
  }
  return request;
}

std::string Numbers(std::uint64_t count) {
  std::string text;
  for (std::uint64_t i = 0; i < count; ++i) StrAppend(&text, i, " ");
  return text;
}

std::optional<JsonValue> FirstChoice(const JsonDocument& document) {
  const auto choices = document.root().Find("choices");
  if (!choices || choices->Elements().empty()) return std::nullopt;
  return choices->Elements().front();
}

// DATA_LOSS: an answer with tokens lost or repeated.
Status CheckBody(Kind kind, std::string body) {
  TRY(const JsonDocument document, JsonDocument::Parse(body));
  const char* const list = kind == Kind::kSearch ? "hits" : "data";
  if (kind != Kind::kChat) {
    const auto items = document.root().Find(list);
    return items && !items->Elements().empty()
               ? absl::OkStatus()
               : absl::InternalError(StrCat("an empty reply: ", body.substr(0, 300)));
  }
  const auto choice = FirstChoice(document);
  const auto message = choice ? choice->Find("message") : std::nullopt;
  const auto content = message ? message->Find("content") : std::nullopt;
  const std::string_view text = content ? content->AsString().value_or("") : "";
  return text == Numbers(kShortTokens)
             ? absl::OkStatus()
             : absl::DataLossError(StrCat("an answer that is not whole: ", body.substr(0, 300)));
}

/// Reads an answer's events and compares its tokens with what they must be.
class AnswerReader {
 public:
  explicit AnswerReader(std::uint64_t tokens) : wanted_(Numbers(tokens)) {}

  Status Feed(std::string_view piece) {
    TRY(events_.Feed(piece));
    while (const auto event = events_.Next()) {
      if (done_) return absl::DataLossError("events behind the end");
      if (event->data == "[DONE]") {
        done_ = true;
        continue;
      }
      TRY(const JsonDocument document, JsonDocument::Parse(event->data));
      if (document.root().Find("error"))
        return absl::UnavailableError(
            StrCat("an error event after ", text_.size(), " bytes: ", event->data));
      const auto choice = FirstChoice(document);
      const auto delta = choice ? choice->Find("delta") : std::nullopt;
      const auto content = delta ? delta->Find("content") : std::nullopt;
      if (content) text_ += content->AsString().value_or("");
    }
    return absl::OkStatus();
  }
  bool begun() const { return !text_.empty(); }
  Status Ended() const {
    if (text_ != wanted_) return absl::DataLossError(StrCat("tokens lost or repeated: ", text_));
    return done_ ? absl::OkStatus() : absl::DataLossError("no [DONE]");
  }

 private:
  const std::string wanted_;
  SseReader events_;
  std::string text_;
  bool done_ = false;
};

class Load {
 public:
  Load(Options options, IoLoops& loops)
      : options_(std::move(options)), loops_(loops), client_(ClientConfig(), loops) {}

  void Start() {
    Spawn(Pace());
    for (std::uint64_t i = 0; i < options_.streams; ++i) Spawn(StreamAfterStream(i));
  }
  /// No more is begun; returns when all has ended.
  void Finish() {
    finishing_ = true;
    while (running_ > 0) const Status ignored = SyncWait(SleepFor(Ctx(), kLook));
    const Status ignored = SyncWait(scope_.Stop(Ctx()));
  }
  bool AllOpen() const { return opened_ >= options_.streams; }
  const Report& report() const { return report_; }

  static constexpr Duration kLook = std::chrono::milliseconds(20);

 private:
  static HttpClientConfig ClientConfig() {
    HttpClientConfig config;
    config.policy.allow_private = true;
    config.idle_connections_max = 512;
    return config;
  }
  void Spawn(Task<void> task) {
    ++running_;
    if (!scope_.Spawn(loops_[0], std::move(task))) --running_;
  }

  Task<void> Pace() {
    const auto between = std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / options_.rate));
    SteadyTime due = Now();
    for (std::uint64_t i = 0; !finishing_; ++i) {
      due += between;
      if (due > Now()) const Status ignored = co_await SleepFor(Ctx(), due - Now());
      const Kind kind = kMix[i % std::size(kMix)];
      Spawn(Short(kind, StrCat(options_.run, "-", i), due));
    }
    --running_;
  }

  Task<void> Short(Kind kind, std::string id, SteadyTime due) {
    const Sample sample = Begun(kind, due);
    const Status status = co_await Ask(kind, id);
    Ended(sample, due, id, status);
    --running_;
  }

  Task<Status> Ask(Kind kind, std::string id) {
    CO_TRY(HttpClientReply reply, co_await client_.Send(Ctx(), RequestFor(options_, kind, id)));
    CO_TRY(CheckHead(reply, id));
    const int status = reply.status;
    CO_TRY(std::string body, co_await ReadAll(Ctx(), std::move(reply.body), kReplyMax));
    if (status != 200) co_return absl::UnavailableError(StrCat("status ", status, ": ", body));
    co_return CheckBody(kind, std::move(body));
  }
  static Status CheckHead(const HttpClientReply& reply, const std::string& id) {
    return reply.headers.Get("x-request-id") == id
               ? absl::OkStatus()
               : absl::InternalError("the reply does not have the request's id");
  }

  // They begin one after the other, so that they do not all end at once.
  Task<void> StreamAfterStream(std::uint64_t which) {
    const auto stagger =
        std::chrono::milliseconds(options_.stream_seconds * 1000 * which / options_.streams);
    bool first = true;
    const Status ignored = co_await SleepFor(Ctx(), stagger / 4);
    for (std::uint64_t i = 0; !finishing_; ++i) {
      const std::string id = StrCat(options_.run, "-s", which, "-", i);
      const SteadyTime due = Now();
      const Sample sample = Begun(Kind::kStream, due);
      const Status status = co_await ReadStream(id, &first);
      Ended(sample, due, id, status);
      if (!status.ok()) const Status paused = co_await SleepFor(Ctx(), kLook);
    }
    --running_;
  }

  Task<Status> ReadStream(std::string id, bool* first) {
    CO_TRY(HttpClientReply reply,
           co_await client_.Send(Ctx(), RequestFor(options_, Kind::kStream, id)));
    CO_TRY(CheckHead(reply, id));
    if (reply.status != 200) {
      CO_TRY(std::string body, co_await ReadAll(Ctx(), std::move(reply.body), kReplyMax));
      co_return absl::UnavailableError(StrCat("status ", reply.status, ": ", body));
    }
    AnswerReader answer(options_.stream_seconds * 1000 / kPaceMs);
    while (true) {
      Result<std::optional<std::string>> piece = co_await reply.body->Next(Ctx());
      if (!piece.ok())
        co_return absl::DataLossError(StrCat("cut: ", StdView(piece.status().message())));
      if (!*piece) co_return answer.Ended();
      CO_TRY(answer.Feed(**piece));
      if (*first && answer.begun()) {
        *first = false;
        ++opened_;
      }
    }
  }

  Sample Begun(Kind kind, SteadyTime due) {
    report_.Begin(kind);
    const auto late = std::chrono::duration_cast<std::chrono::milliseconds>(Now() - due);
    return Sample{.at_ms = WallMillis() - late.count(), .kind = kind};
  }
  // Counted from when it was due: a request that had to wait for its turn was slow for its client.
  void Ended(Sample sample, SteadyTime due, const std::string& id, const Status& status) {
    sample.us = std::chrono::duration_cast<std::chrono::microseconds>(Now() - due).count();
    report_.End(sample, id, status);
  }

  const Options options_;
  IoLoops& loops_;
  HttpClient client_;
  Report report_;
  Scope scope_;
  std::atomic<bool> finishing_{false};
  std::atomic<std::uint64_t> opened_{0};
  std::atomic<std::int64_t> running_{0};
};

int Run(Options options) {
  IoLoops loops(1);
  Load load(options, loops);
  load.Start();
  while (!load.AllOpen()) const Status ignored = SyncWait(SleepFor(Ctx(), Load::kLook));
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
  }
  load.Finish();
  if (!options.csv.empty()) load.report().WriteCsv(options.csv);
  std::cout << load.report().Json() << std::endl;
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc < 7) {
    std::cerr << "see the top of move_load.cc\n";
    return 2;
  }
  tessera::Options options{.url = argv[1], .key = argv[2], .run = argv[3]};
  options.rate = std::stod(argv[4]);
  options.streams = std::stoull(argv[5]);
  options.stream_seconds = std::stoull(argv[6]);
  if (argc > 7) options.csv = argv[7];
  return tessera::Run(options);
}
