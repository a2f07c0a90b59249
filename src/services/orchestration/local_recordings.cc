#include "services/orchestration/local_recordings.h"

#include <mutex>
#include <utility>
#include <vector>

#include "base/not_owned.h"
#include "runtime/thread_pool.h"
#include "tessera/v1/inference_forward.tessera.h"
#include "tessera/v1/retrieval_forward.tessera.h"

namespace tessera {
namespace {

/// What steps were answered, for those who ask again. Thread-safe.
class RecordedAnswers {
 public:
  explicit RecordedAnswers(const v1::RecordedRun& run) {
    for (const v1::RecordedCall& call : run.calls()) calls_.push_back({call, false});
  }

  /// The answer to the same question; else the next one of the method, as what was hidden, or what
  /// a model wrote before, may have changed the question.
  template <class Reply>
  Result<Reply> Find(std::string_view method, const google::protobuf::Message& request) {
    const std::string asked = request.SerializeAsString();
    std::lock_guard lock(mutex_);
    Call* found = nullptr;
    for (Call& one : calls_) {
      if (one.used || one.call.method() != method) continue;
      const bool same = one.call.request() == asked;
      if (same || found == nullptr) found = &one;
      if (same) break;
    }
    Reply reply;
    if (found == nullptr || !reply.ParseFromString(found->call.reply()))
      return absl::FailedPreconditionError(
          StrCat("the recording has no answer to another ", method,
                 " that this run asks for; replay it with live retrieval"));
    found->used = true;
    return reply;
  }

 private:
  struct Call {
    v1::RecordedCall call;
    bool used;
  };
  std::mutex mutex_;
  std::vector<Call> calls_;
};

class RecordedRetrieval final : public ForwardingRetrieval {
 public:
  RecordedRetrieval(Retrieval& retrieval, RecordedAnswers& answers)
      : ForwardingRetrieval(NotOwned(retrieval)), answers_(answers) {}
  Task<Result<v1::SearchReply>> Search(Ctx, v1::SearchRequest request) override {
    co_return answers_.Find<v1::SearchReply>("Search", request);
  }
  Task<Result<v1::Collection>> GetCollection(Ctx, v1::GetCollectionRequest request) override {
    co_return answers_.Find<v1::Collection>("GetCollection", request);
  }

 private:
  RecordedAnswers& answers_;
};

/// Only what is generated is generated anew.
class RecordedInference final : public ForwardingInference {
 public:
  RecordedInference(Inference& inference, RecordedAnswers& answers)
      : ForwardingInference(NotOwned(inference)), answers_(answers) {}
  Task<Result<v1::EmbedReply>> Embed(Ctx, v1::EmbedRequest request) override {
    co_return answers_.Find<v1::EmbedReply>("Embed", request);
  }
  Task<Result<v1::RerankReply>> Rerank(Ctx, v1::RerankRequest request) override {
    co_return answers_.Find<v1::RerankReply>("Rerank", request);
  }

 private:
  RecordedAnswers& answers_;
};

Task<Result<v1::ReplayedAnswer>> RunAgain(Ctx ctx, LocalOrchestration* service,
                                          v1::RunRequest request) {
  const SteadyTime start = Now();
  const auto since = [start] { return (Now() - start).count() / 1000; };
  CO_TRY(const StreamPtr<v1::RunEvent> events, co_await service->Run(ctx, std::move(request)));
  v1::ReplayedAnswer answer;
  while (true) {
    CO_TRY(const std::optional<v1::RunEvent> event, co_await events->Next(ctx));
    if (!event) co_return absl::UnavailableError("the run ended before its answer did");
    if (!event->text().empty() && answer.text().empty()) answer.set_first_text_us(since());
    answer.mutable_text()->append(event->text());
    answer.set_passages(answer.passages() + static_cast<std::uint32_t>(event->passages_size()));
    if (!event->done()) continue;
    answer.set_duration_us(since());
    answer.set_model(event->model());
    answer.set_answer_mode(event->answer_mode());
    answer.set_finish_reason(event->finish_reason());
    *answer.mutable_usage() = event->usage();
    co_return answer;
  }
}

}  // namespace

Task<Result<v1::ListRecordingsReply>> LocalRecordings::ListRecordings(Ctx,
                                                                      v1::ListRecordingsRequest) {
  std::vector<v1::Recording> all = co_await RunOn(blocking_, [this] { return store_->List(); });
  v1::ListRecordingsReply reply;
  for (v1::Recording& one : all) *reply.add_recordings() = std::move(one);
  co_return reply;
}

Task<Result<v1::DeleteRecordingReply>> LocalRecordings::DeleteRecording(
    Ctx, v1::DeleteRecordingRequest request) {
  const auto erase = [this, &request] { return store_->Delete(request.id()); };
  CO_TRY(co_await RunOn(blocking_, erase));
  co_return v1::DeleteRecordingReply();
}

Task<Result<v1::ReplayReply>> LocalRecordings::Replay(Ctx ctx, v1::ReplayRequest request) {
  const auto read = [this, &request] { return store_->Get(request.id()); };
  CO_TRY(v1::RecordedRun run, co_await RunOn(blocking_, read));
  const v1::ReplayedAnswer& then = run.about().answer();
  v1::RunRequest again = run.request();
  again.set_model(request.model().empty() ? then.model() : request.model());
  again.set_answer_mode(then.answer_mode());
  again.set_whole(false);
  again.set_answer_only(false);
  RecordedAnswers answers(run);
  RecordedInference inference(inference_, answers);
  RecordedRetrieval retrieval(retrieval_, answers);
  Inference& asked_inference = request.live() ? inference_ : inference;
  Retrieval& asked_retrieval = request.live() ? retrieval_ : retrieval;
  CO_TRY(const std::unique_ptr<LocalOrchestration> service,
         LocalOrchestration::Make(config_, asked_inference, asked_retrieval, cpu_));
  v1::ReplayReply reply;
  CO_TRY(*reply.mutable_answer(),
         co_await RunAgain(std::move(ctx), service.get(), std::move(again)));
  reply.set_same(reply.answer().text() == then.text());
  *reply.mutable_recording() = std::move(*run.mutable_about());
  co_return reply;
}

}  // namespace tessera
