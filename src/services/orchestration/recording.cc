#include "services/orchestration/recording.h"

#include <utility>

#include "base/ids.h"
#include "base/not_owned.h"
#include "telemetry/log.h"
#include "tessera/v1/inference_forward.tessera.h"
#include "tessera/v1/retrieval_forward.tessera.h"

namespace tessera {
namespace {

constexpr std::string_view kBaggage = "tessera-record=1";

template <class Request, class Reply>
Task<Result<Reply>> Noted(std::shared_ptr<RunRecorder> recorder, std::string_view method,
                          Request request, Task<Result<Reply>> call) {
  Result<Reply> reply = co_await std::move(call);
  if (reply.ok()) recorder->Note(method, request, *reply);
  co_return reply;
}

/// Notes what the steps of recorded runs are answered.
class NotingRetrieval final : public ForwardingRetrieval {
 public:
  NotingRetrieval(Retrieval& retrieval, const OpenRecordings& open)
      : ForwardingRetrieval(NotOwned(retrieval)), open_(open) {}

  Task<Result<v1::SearchReply>> Search(Ctx ctx, v1::SearchRequest request) override {
    const auto recorder = open_.Find(ctx);
    if (!recorder) return ForwardingRetrieval::Search(std::move(ctx), std::move(request));
    return Noted(recorder, "Search", request, ForwardingRetrieval::Search(std::move(ctx), request));
  }
  Task<Result<v1::Collection>> GetCollection(Ctx ctx, v1::GetCollectionRequest request) override {
    const auto recorder = open_.Find(ctx);
    if (!recorder) return ForwardingRetrieval::GetCollection(std::move(ctx), std::move(request));
    return Noted(recorder, "GetCollection", request,
                 ForwardingRetrieval::GetCollection(std::move(ctx), request));
  }

 private:
  const OpenRecordings& open_;
};

class NotingInference final : public ForwardingInference {
 public:
  NotingInference(Inference& inference, const OpenRecordings& open)
      : ForwardingInference(NotOwned(inference)), open_(open) {}

  Task<Result<v1::EmbedReply>> Embed(Ctx ctx, v1::EmbedRequest request) override {
    const auto recorder = open_.Find(ctx);
    if (!recorder) return ForwardingInference::Embed(std::move(ctx), std::move(request));
    return Noted(recorder, "Embed", request, ForwardingInference::Embed(std::move(ctx), request));
  }
  Task<Result<v1::RerankReply>> Rerank(Ctx ctx, v1::RerankRequest request) override {
    const auto recorder = open_.Find(ctx);
    if (!recorder) return ForwardingInference::Rerank(std::move(ctx), std::move(request));
    return Noted(recorder, "Rerank", request, ForwardingInference::Rerank(std::move(ctx), request));
  }

 private:
  const OpenRecordings& open_;
};

/// Notes what the reader is told. One that goes away early leaves no recording.
class NotedStream final : public Stream<v1::RunEvent> {
 public:
  NotedStream(StreamPtr<v1::RunEvent> events, std::string id, std::shared_ptr<RunRecorder> recorder,
              RecordingOrchestration& home)
      : events_(std::move(events)),
        id_(std::move(id)),
        recorder_(std::move(recorder)),
        home_(home) {}
  ~NotedStream() override { Finish(false); }

  Task<Result<std::optional<v1::RunEvent>>> Next(Ctx ctx) override {
    auto event = co_await events_->Next(std::move(ctx));
    if (event.ok() && *event) {
      recorder_->NoteEvent(**event);
      if ((*event)->done()) Finish(true);
    }
    co_return event;
  }

 private:
  void Finish(bool whole) {
    if (!std::exchange(finished_, true)) home_.Finish(id_, recorder_, whole);
  }

  StreamPtr<v1::RunEvent> events_;
  const std::string id_;
  const std::shared_ptr<RunRecorder> recorder_;
  RecordingOrchestration& home_;
  bool finished_ = false;
};

Task<void> Write(std::shared_ptr<RecordingStore> store, v1::RecordedRun run) {
  const std::string id = run.about().id();
  const Status written = store->Put(std::move(run));
  if (!written.ok())
    Log(LogLevel::kWarning, "a run was not recorded",
        {{"request", id}, {"reason", written.ToString()}});
  co_return;
}

// Small enough for every engine.
std::uint64_t RandomSeed() { return RandomId() >> 33; }

}  // namespace

void RunRecorder::Note(std::string_view method, const google::protobuf::Message& request,
                       const google::protobuf::Message& reply) {
  std::lock_guard lock(mutex_);
  v1::RecordedCall& call = *run.add_calls();
  call.set_method(std::string(method));
  call.set_request(request.SerializeAsString());
  call.set_reply(reply.SerializeAsString());
}

void RunRecorder::NoteEvent(const v1::RunEvent& event) {
  std::lock_guard lock(mutex_);
  v1::ReplayedAnswer& answer = *run.mutable_about()->mutable_answer();
  const std::int64_t now_us = (Now() - started).count() / 1000;
  if (!event.text().empty() && answer.text().empty()) answer.set_first_text_us(now_us);
  answer.mutable_text()->append(event.text());
  if (!event.done()) return;
  answer.set_duration_us(now_us);
  answer.set_model(event.model());
  answer.set_answer_mode(event.answer_mode());
  answer.set_finish_reason(event.finish_reason());
  *answer.mutable_usage() = event.usage();
}

v1::RecordedRun RunRecorder::Take() {
  std::lock_guard lock(mutex_);
  v1::ReplayedAnswer& answer = *run.mutable_about()->mutable_answer();
  for (const v1::RecordedCall& call : run.calls()) {
    v1::SearchReply found;
    if (call.method() == "Search" && found.ParseFromString(call.reply()))
      answer.set_passages(answer.passages() + static_cast<std::uint32_t>(found.hits_size()));
  }
  return std::move(run);
}

bool OpenRecordings::Add(const std::string& id, std::shared_ptr<RunRecorder> recorder) {
  std::lock_guard lock(mutex_);
  return open_.emplace(id, std::move(recorder)).second;
}

void OpenRecordings::Remove(const std::string& id) {
  std::lock_guard lock(mutex_);
  open_.erase(id);
}

std::shared_ptr<RunRecorder> OpenRecordings::Find(const Ctx& ctx) const {
  std::lock_guard lock(mutex_);
  const auto found = open_.find(ctx.info().request_id);
  return found == open_.end() ? nullptr : found->second;
}

Result<std::unique_ptr<RecordingOrchestration>> RecordingOrchestration::Make(
    const RecordingConfig& config, std::shared_ptr<RecordingStore> store, Inference& inference,
    Retrieval& retrieval, Executor& blocking, const MakeService& make) {
  std::unique_ptr<RecordingOrchestration> self(
      new RecordingOrchestration(config, std::move(store), blocking));
  self->inference_ = std::make_unique<NotingInference>(inference, self->open_);
  self->retrieval_ = std::make_unique<NotingRetrieval>(retrieval, self->open_);
  TRY(self->service_, make(*self->inference_, *self->retrieval_));
  return self;
}

RecordingOrchestration::~RecordingOrchestration() {
  service_.reset();
  CHECK(SyncWait(scope_.Stop(Ctx())).ok());
}

bool RecordingOrchestration::IsWanted(const Ctx& ctx) const {
  if (ctx.info().request_id.empty()) return false;
  if (static_cast<double>(RandomId() >> 11) * 0x1p-53 * 100 < config_.percent) return true;
  return ctx.info().baggage.find(kBaggage) != std::string::npos && ctx.principal().MayUse("admin");
}

Task<Result<StreamPtr<v1::RunEvent>>> RecordingOrchestration::Run(Ctx ctx, v1::RunRequest request) {
  if (!IsWanted(ctx)) co_return co_await service_->Run(std::move(ctx), std::move(request));
  // Without one the model draws its own, which nobody would know.
  if (!request.sampling().has_seed()) request.mutable_sampling()->set_seed(RandomSeed());
  auto recorder = std::make_shared<RunRecorder>();
  recorder->started = Now();
  *recorder->run.mutable_request() = request;
  v1::Recording& about = *recorder->run.mutable_about();
  const std::string id = ctx.info().request_id;
  about.set_id(id);
  about.set_trace_id(Hex(ctx.info().trace.high) + Hex(ctx.info().trace.low));
  about.set_recorded_ms(WallMillis());
  about.set_graph(request.graph());
  about.set_collection(request.collection());
  if (request.messages_size() > 0)
    about.set_question(request.messages(request.messages_size() - 1).content());
  if (!open_.Add(id, recorder))
    co_return co_await service_->Run(std::move(ctx), std::move(request));
  auto events = co_await service_->Run(std::move(ctx), std::move(request));
  if (!events.ok()) {
    open_.Remove(id);
    co_return events.status();
  }
  StreamPtr<v1::RunEvent> noted =
      std::make_unique<NotedStream>(*std::move(events), id, std::move(recorder), *this);
  co_return noted;
}

void RecordingOrchestration::Finish(const std::string& id, std::shared_ptr<RunRecorder> recorder,
                                    bool whole) {
  open_.Remove(id);
  // False while it stops: then there is no recording.
  if (whole) scope_.Spawn(blocking_, Write(store_, recorder->Take()));
}

}  // namespace tessera
