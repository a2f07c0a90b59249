// A client of a server behind HTTP: the native interface, and the chat completions of OpenAI's.
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "app/api_caller.h"
#include "app/api_json.h"
#include "app/client.h"
#include "app/exit_code.h"
#include "app/ingest_status.h"
#include "app/multipart.h"
#include "base/ctx.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "base/task.h"
#include "net/http_client.h"
#include "net/http_error.h"
#include "net/sse.h"
#include "net/uri.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

constexpr std::size_t kBatchFiles = 256;
constexpr std::uint64_t kBatchBytes = std::uint64_t{32} << 20;
constexpr int kBusyRetries = 100;
constexpr auto kLastWord = std::chrono::seconds(10);

/// An upload's own context: it outlives the caller's by a while. Once a body has been sent, the
/// server makes a job of it; who leaves without hearing its id cannot cancel it.
class LastWord {
 public:
  explicit LastWord(const Ctx& caller) : source_(std::make_shared<CancelSource>()) {
    caller.cancel().OnCancel(on_cancel_, [source = source_](const Status& reason) {
      TimerQueue::Process().Arm(Now() + kLastWord, [source, reason] { source->Cancel(reason); });
    });
  }
  Ctx ctx() const { return SystemCtx(source_->token()); }

 private:
  const std::shared_ptr<CancelSource> source_;
  CancelCallback on_cancel_;
};

/// A body that breaks off when its caller is cancelled, so that nothing comes of the request.
class InterruptibleBody final : public Stream<std::string> {
 public:
  InterruptibleBody(Ctx caller, StreamPtr<std::string> body, std::uint64_t size)
      : caller_(std::move(caller)), body_(std::move(body)), left_(size) {}
  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    if (left_ > 0) CO_TRY(caller_.Check());
    Result<std::optional<std::string>> piece = co_await body_->Next(std::move(ctx));
    if (piece.ok() && piece->has_value()) left_ -= std::min<std::uint64_t>(left_, (*piece)->size());
    co_return piece;
  }

 private:
  const Ctx caller_;
  const StreamPtr<std::string> body_;
  std::uint64_t left_;
};

class RemoteClient final : public Client {
 public:
  RemoteClient(const Url& url, std::string base, std::string key, CancelToken cancel)
      : api_(url, std::move(base), std::move(key)), ctx_(SystemCtx(std::move(cancel))) {}

  Result<IngestStatus> Ingest(const IngestInput& input, const IngestWatcher& watch) override {
    return SyncWait(RunIngest(ctx_, &input, &watch));
  }
  Result<v1::ListCollectionsReply> ListCollections() override {
    TRY(std::string reply, SyncWait(api_.Call(ctx_, HttpMethod::kGet, "/api/v1/collections", "")));
    return ParseCollections(std::move(reply));
  }
  Result<IngestStatus> Reembed(const std::string& collection, const std::string& model,
                               const IngestWatcher& watch) override {
    JsonWriter json;
    json.BeginObject().Field("model", model).EndObject();
    TRY(std::string reply,
        Post(StrCat("/api/v1/collections/", PercentEncode(collection), "/reembed"), json.Take()));
    TRY(const v1::Job job, ParseJob(std::move(reply)));
    return SyncWait(RunReembed(ctx_, &job, &watch));
  }
  Result<v1::SearchReply> Search(const SearchInput& input) override {
    JsonWriter json;
    json.BeginObject().Field("query", input.query).Field("limit", input.limit);
    if (input.mode != v1::SEARCH_MODE_UNSPECIFIED)
      json.Field("mode", input.mode == v1::SEARCH_MODE_BM25     ? "bm25"
                         : input.mode == v1::SEARCH_MODE_VECTOR ? "vector"
                                                                : "hybrid");
    json.EndObject();
    TRY(std::string reply,
        Post(StrCat("/api/v1/collections/", PercentEncode(input.collection), "/search"),
             json.Take()));
    return ParseSearchReply(std::move(reply));
  }
  Result<Answer> Ask(const AskInput& input, const TextWatcher& watch) override {
    return SyncWait(RunAsk(ctx_, &input, &watch));
  }
  Result<v1::ListModelsReply> ListModels() override {
    TRY(std::string reply, SyncWait(api_.Call(ctx_, HttpMethod::kGet, "/api/v1/system", "")));
    return ParseSystem(std::move(reply));
  }
  Result<v1::BackupReply> Backup(const std::string& folder) override {
    JsonWriter json;
    json.BeginObject().Field("folder", folder).EndObject();
    TRY(std::string reply, Post("/api/v1/backup", json.Take()));
    return ParseBackupReply(std::move(reply));
  }

 private:
  Result<std::string> Post(std::string path, std::string body) {
    return SyncWait(api_.Call(ctx_, HttpMethod::kPost, std::move(path), std::move(body)));
  }

  // --- ingest: files go up in batches, a job each; then the jobs are watched to their end.

  Task<Result<IngestStatus>> RunIngest(Ctx ctx, const IngestInput* input,
                                       const IngestWatcher* watch) {
    IngestSum sum;
    std::vector<std::string> jobs;
    const Status status = co_await SendAndWatch(ctx, input, watch, &sum, &jobs);
    if (status.ok()) co_return sum.status();
    co_await Cancel(std::move(jobs));
    co_return status;
  }

  Task<Result<IngestStatus>> RunReembed(Ctx ctx, const v1::Job* job, const IngestWatcher* watch) {
    IngestSum sum;
    sum.Update(*job);
    const Status status = co_await WatchJob(ctx, job->id(), watch, &sum);
    if (status.ok()) co_return sum.status();
    std::vector<std::string> jobs = {job->id()};
    co_await Cancel(std::move(jobs));
    co_return status;
  }

  // The caller's own context may be cancelled already.
  Task<void> Cancel(std::vector<std::string> jobs) {
    for (const std::string& id : jobs) {
      const Result<std::string> cancelled =
          co_await api_.Call(SystemCtx().WithTimeout(std::chrono::seconds(10)), HttpMethod::kPost,
                             StrCat("/api/v1/jobs/", PercentEncode(id), "/cancel"), "{}");
      if (!cancelled.ok()) break;
    }
  }

  Task<Status> SendAndWatch(Ctx ctx, const IngestInput* input, const IngestWatcher* watch,
                            IngestSum* sum, std::vector<std::string>* jobs) {
    std::size_t next = 0;
    for (bool first = true; first || next < input->files.size(); first = false) {
      MultipartForm form;
      if (first && !input->links.empty()) form.AddField("links", LinksJson(*input, sum));
      std::uint64_t bytes = 0;
      const std::size_t begin = next;
      while (next < input->files.size() && next - begin < kBatchFiles &&
             (next == begin || bytes + input->files[next].bytes <= kBatchBytes)) {
        form.AddFile(input->files[next]);
        sum->AddSent(input->files[next].bytes);
        bytes += input->files[next++].bytes;
      }
      CO_TRY(v1::Job job, co_await Upload(ctx, &input->collection, &form));
      jobs->push_back(job.id());
      sum->Update(job);
      (*watch)(sum->status());
      if (next < input->files.size()) CO_TRY(co_await Refresh(ctx, *jobs, watch, sum));
    }
    for (const std::string& id : *jobs) CO_TRY(co_await WatchJob(ctx, id, watch, sum));
    co_return absl::OkStatus();
  }

  static std::string LinksJson(const IngestInput& input, IngestSum* sum) {
    JsonWriter json;
    json.BeginArray();
    for (const std::string& link : input.links) {
      json.Value(link);
      sum->AddSent(0);
    }
    return json.EndArray().Take();
  }

  // Sends one batch; while the server is busy, again. Gives the job even when ctx was cancelled
  // meanwhile, for the caller to cancel it.
  Task<Result<v1::Job>> Upload(Ctx ctx, const std::string* collection, const MultipartForm* form) {
    const LastWord last_word(ctx);
    for (int attempt = 0;; ++attempt) {
      HttpClientRequest request =
          api_.Request(HttpMethod::kPost,
                       StrCat("/api/v1/collections/", PercentEncode(*collection), "/documents"));
      request.headers.Set("Content-Type", form->content_type());
      request.stream = std::make_unique<InterruptibleBody>(ctx, form->Body(), form->size());
      request.stream_size = form->size();
      Result<HttpClientReply> reply = co_await api_.Send(last_word.ctx(), std::move(request));
      if (reply.ok()) {
        CO_TRY(std::string body,
               co_await ReadAll(last_word.ctx(), std::move(reply->body), ApiCaller::kReplyMax));
        co_return ParseJob(std::move(body));
      }
      const int wait = RetryAfterOf(reply.status());
      if (wait <= 0 || attempt >= kBusyRetries) co_return reply.status();
      CO_TRY(co_await SleepFor(ctx, std::chrono::seconds(std::min(wait, 30))));
    }
  }

  // The newest state of the jobs, once.
  Task<Status> Refresh(Ctx ctx, std::vector<std::string> jobs, const IngestWatcher* watch,
                       IngestSum* sum) {
    if (jobs.size() > 2) jobs.erase(jobs.begin(), jobs.end() - 2);  // older ones at the end
    for (const std::string& id : jobs) CO_TRY(co_await RefreshOne(ctx, id, watch, sum));
    co_return absl::OkStatus();
  }

  Task<Status> RefreshOne(Ctx ctx, std::string id, const IngestWatcher* watch, IngestSum* sum) {
    CO_TRY(std::string body, co_await api_.Call(ctx, HttpMethod::kGet,
                                                StrCat("/api/v1/jobs/", PercentEncode(id)), ""));
    CO_TRY(const v1::Job job, ParseJob(std::move(body)));
    sum->Update(job);
    (*watch)(sum->status());
    co_return absl::OkStatus();
  }

  // Follows a job to its end; a connection that breaks is made anew.
  Task<Status> WatchJob(Ctx ctx, std::string id, const IngestWatcher* watch, IngestSum* sum) {
    constexpr int kBreaksMax = 20;
    for (int breaks = 0; !sum->HasEnded(id); ++breaks) {
      const Status status = co_await WatchOnce(ctx, id, watch, sum);
      if (!status.ok() && (!absl::IsUnavailable(status) || breaks >= kBreaksMax)) co_return status;
      if (sum->HasEnded(id)) break;
      CO_TRY(co_await SleepFor(ctx, std::chrono::milliseconds(200)));
      CO_TRY(co_await RefreshOne(ctx, id, watch, sum));
    }
    co_return absl::OkStatus();
  }

  Task<Status> WatchOnce(Ctx ctx, std::string id, const IngestWatcher* watch, IngestSum* sum) {
    HttpClientRequest request =
        api_.Request(HttpMethod::kGet, StrCat("/api/v1/jobs/", PercentEncode(id), "/events"));
    CO_TRY(HttpClientReply reply, co_await api_.Send(ctx, std::move(request)));
    SseReader reader(ApiCaller::kReplyMax);
    while (true) {
      CO_TRY(std::optional<std::string> piece, co_await reply.body->Next(ctx));
      if (!piece) co_return absl::OkStatus();
      CO_TRY(reader.Feed(*piece));
      for (auto event = reader.Next(); event; event = reader.Next()) {
        const Result<v1::Job> job = ParseJob(std::move(event->data));
        if (!job.ok()) continue;  // an event of another kind
        sum->Update(*job);
        (*watch)(sum->status());
      }
    }
  }

  // --- ask

  static std::string AskJson(const AskInput& input) {
    JsonWriter json;
    json.BeginObject()
        .Field("model", StrCat("rag:", input.collection))
        .Field("stream", true)
        .Field("answer_mode", input.mode == v1::ANSWER_MODE_EXTRACTIVE   ? "extractive"
                              : input.mode == v1::ANSWER_MODE_GENERATIVE ? "generative"
                                                                         : "auto");
    json.Key("messages").BeginArray().BeginObject();
    json.Field("role", "user").Field("content", input.question);
    json.EndObject().EndArray().EndObject();
    return json.Take();
  }

  Task<Result<Answer>> RunAsk(Ctx ctx, const AskInput* input, const TextWatcher* watch) {
    HttpClientRequest request = api_.Request(HttpMethod::kPost, "/v1/chat/completions");
    request.headers.Set("Content-Type", "application/json");
    request.body = AskJson(*input);
    CO_TRY(HttpClientReply reply, co_await api_.Send(ctx, std::move(request)));
    SseReader reader;
    Answer answer;
    while (true) {
      CO_TRY(std::optional<std::string> piece, co_await reply.body->Next(ctx));
      if (!piece) co_return absl::UnavailableError("the answer broke off: the connection ended");
      CO_TRY(reader.Feed(*piece));
      for (auto event = reader.Next(); event; event = reader.Next()) {
        if (event->data == "[DONE]") co_return answer;
        CO_TRY(const std::string text, TakeChatChunk(std::move(event->data), answer));
        if (!text.empty()) (*watch)(text);
      }
    }
  }

  ApiCaller api_;
  const Ctx ctx_;
};

}  // namespace

Result<std::unique_ptr<Client>> ConnectTo(const std::string& url, const std::string& key,
                                          CancelToken cancel) {
  TRY(const Url parsed, ParseServerUrl(url));
  return std::make_unique<RemoteClient>(parsed, url, key, std::move(cancel));
}

}  // namespace tessera
