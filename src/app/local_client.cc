#include "app/local_client.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "app/ingest_status.h"
#include "app/platform.h"
#include "base/ctx.h"
#include "base/str.h"
#include "base/task.h"

namespace tessera {
namespace {

// Calls the services through the router, as everything else does.
class LocalClient final : public Client {
 public:
  LocalClient(std::unique_ptr<Platform> platform, CancelToken cancel)
      : platform_(std::move(platform)),
        contracts_(platform_->contracts()),
        ctx_(SystemCtx(std::move(cancel))) {}

  Result<IngestStatus> Ingest(const IngestInput& input, const IngestWatcher& watch) override {
    return SyncWait(RunIngest(ctx_, input, watch));
  }
  Result<v1::ListCollectionsReply> ListCollections() override {
    return SyncWait(contracts_.retrieval.ListCollections(ctx_, v1::ListCollectionsRequest()));
  }
  Result<IngestStatus> Reembed(const std::string& collection, const std::string& model,
                               const IngestWatcher& watch) override {
    v1::ReembedRequest request;
    request.set_collection(collection);
    request.set_model(model);
    return SyncWait(RunReembed(ctx_, std::move(request), watch));
  }
  Result<v1::SearchReply> Search(const SearchInput& input) override {
    v1::SearchRequest request;
    request.set_collection(input.collection);
    request.set_query(input.query);
    request.set_limit(input.limit);
    request.set_mode(input.mode);
    return SyncWait(contracts_.orchestration.Search(ctx_, std::move(request)));
  }
  Result<Answer> Ask(const AskInput& input, const TextWatcher& watch) override {
    return SyncWait(RunAsk(ctx_, input, watch));
  }
  Result<v1::ListModelsReply> ListModels() override {
    return SyncWait(contracts_.inference.ListModels(ctx_, v1::ListModelsRequest()));
  }
  Result<v1::BackupReply> Backup(const std::string& folder) override {
    v1::BackupRequest request;
    request.set_folder(folder);
    return SyncWait(contracts_.retrieval.Backup(ctx_, std::move(request)));
  }

 private:
  // Files go in parts, a job each, so that no job is larger than the service takes.
  Task<Result<IngestStatus>> RunIngest(Ctx ctx, IngestInput input, IngestWatcher watch) {
    constexpr std::size_t kJobFiles = 5000;
    IngestSum sum;
    for (const IngestFile& file : input.files) sum.AddSent(file.bytes);
    for (std::size_t i = 0; i < input.links.size(); ++i) sum.AddSent(0);
    std::size_t next = 0;
    for (bool first = true; first || next < input.files.size(); first = false) {
      v1::IngestRequest request;
      request.set_collection(input.collection);
      for (std::size_t i = 0; first && i < input.links.size(); ++i)
        request.add_sources()->set_url(input.links[i]);
      const std::size_t end = std::min(input.files.size(), next + kJobFiles);
      for (; next < end; ++next) {
        v1::Source* source = request.add_sources();
        source->set_path(input.files[next].path);
        source->set_name(input.files[next].name);
      }
      CO_TRY(co_await RunJob(ctx, std::move(request), &sum, watch));
    }
    co_return sum.status();
  }

  Task<Result<IngestStatus>> RunReembed(Ctx ctx, v1::ReembedRequest request, IngestWatcher watch) {
    IngestSum sum;
    CO_TRY(const v1::Job job, co_await contracts_.dataprep.Reembed(ctx, std::move(request)));
    CO_TRY(co_await Follow(ctx, job, &sum, watch));
    co_return sum.status();
  }

  Task<Status> RunJob(Ctx ctx, v1::IngestRequest request, IngestSum* sum, IngestWatcher watch) {
    CO_TRY(const v1::Job job, co_await contracts_.dataprep.Ingest(ctx, std::move(request)));
    co_return co_await Follow(ctx, job, sum, watch);
  }

  // Watches a job to its end; cancels it when that ends early.
  Task<Status> Follow(Ctx ctx, v1::Job job, IngestSum* sum, IngestWatcher watch) {
    const std::string id = job.id();
    sum->Update(job);
    watch(sum->status());
    const Status watched = co_await Watch(ctx, id, sum, watch);
    if (watched.ok()) co_return watched;
    v1::CancelJobRequest cancel;
    cancel.set_id(id);
    // The caller's own context is cancelled already.
    const Result<v1::Job> cancelled =
        co_await contracts_.dataprep.CancelJob(SystemCtx(), std::move(cancel));
    co_return absl::IsCancelled(watched) || cancelled.ok() ? watched : cancelled.status();
  }

  Task<Status> Watch(Ctx ctx, std::string id, IngestSum* sum, IngestWatcher watch) {
    v1::GetJobRequest request;
    request.set_id(id);
    CO_TRY(StreamPtr<v1::Job> jobs, co_await contracts_.dataprep.WatchJob(ctx, std::move(request)));
    while (true) {
      CO_TRY(std::optional<v1::Job> job, co_await jobs->Next(ctx));
      if (!job) break;
      sum->Update(*job);
      watch(sum->status());
    }
    co_return absl::OkStatus();
  }

  Task<Result<Answer>> RunAsk(Ctx ctx, AskInput input, TextWatcher watch) {
    v1::RunRequest request;
    request.set_graph("chatqna");
    request.set_collection(input.collection);
    request.set_model(input.model);
    request.set_answer_mode(input.mode);
    v1::Message* message = request.add_messages();
    message->set_role("user");
    message->set_content(input.question);
    CO_TRY(StreamPtr<v1::RunEvent> events,
           co_await contracts_.orchestration.Run(ctx, std::move(request)));
    Answer answer;
    while (true) {
      CO_TRY(std::optional<v1::RunEvent> event, co_await events->Next(ctx));
      if (!event) break;
      if (!event->text().empty()) watch(event->text());
      answer.text += event->text();
      answer.citations.insert(answer.citations.end(), event->citations().begin(),
                              event->citations().end());
      if (!event->model().empty()) answer.model = event->model();
      if (event->answer_mode() != v1::ANSWER_MODE_UNSPECIFIED) answer.mode = event->answer_mode();
      answer.nothing_found = answer.nothing_found || event->nothing_found();
      if (event->done()) break;
    }
    co_return answer;
  }

  const std::unique_ptr<Platform> platform_;
  const Contracts contracts_;
  const Ctx ctx_;
};

}  // namespace

Result<std::unique_ptr<Client>> StartLocalClient(const ConfigSnapshot& config,
                                                 const std::string& data, CancelToken cancel) {
  TRY(std::unique_ptr<Platform> platform, Platform::Start(config, data));
  return std::make_unique<LocalClient>(std::move(platform), std::move(cancel));
}

}  // namespace tessera
