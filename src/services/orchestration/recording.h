#pragma once
// Runs that are recorded: what was asked, what every step was answered, and the answer.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/scope.h"
#include "services/orchestration/local_orchestration.h"
#include "services/orchestration/recording_store.h"
#include "tessera/v1/orchestration_forward.tessera.h"

namespace tessera {

/// A run while it is recorded. Thread-safe.
class RunRecorder {
 public:
  void Note(std::string_view method, const google::protobuf::Message& request,
            const google::protobuf::Message& reply);
  void NoteEvent(const v1::RunEvent& event);
  /// Once, when nobody notes any more.
  v1::RecordedRun Take();

  v1::RecordedRun run;  ///< until the run begins
  SteadyTime started;

 private:
  std::mutex mutex_;
};

/// Which requests are recorded now, by their ids. Thread-safe.
class OpenRecordings {
 public:
  /// False: a request of that id is recorded already.
  bool Add(const std::string& id, std::shared_ptr<RunRecorder> recorder);
  void Remove(const std::string& id);
  std::shared_ptr<RunRecorder> Find(const Ctx& ctx) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<RunRecorder>> open_;
};

/// An orchestration some of whose runs are recorded. Thread-safe.
class RecordingOrchestration final : public Orchestration {
 public:
  using MakeService =
      std::function<Result<std::unique_ptr<LocalOrchestration>>(Inference&, Retrieval&)>;

  /// All given outlive it. `make` gets the services as they are to be called.
  static Result<std::unique_ptr<RecordingOrchestration>> Make(
      const RecordingConfig& config, std::shared_ptr<RecordingStore> store, Inference& inference,
      Retrieval& retrieval, Executor& blocking, const MakeService& make);
  ~RecordingOrchestration() override;

  Task<Result<StreamPtr<v1::RunEvent>>> Run(Ctx ctx, v1::RunRequest request) override;
  Task<Result<v1::SearchReply>> Search(Ctx ctx, v1::SearchRequest request) override {
    return service_->Search(std::move(ctx), std::move(request));
  }
  Task<Result<v1::ListGraphsReply>> ListGraphs(Ctx ctx, v1::ListGraphsRequest request) override {
    return service_->ListGraphs(std::move(ctx), std::move(request));
  }
  /// The run of that id has ended.
  void Finish(const std::string& id, std::shared_ptr<RunRecorder> recorder, bool whole);

 private:
  RecordingOrchestration(const RecordingConfig& config, std::shared_ptr<RecordingStore> store,
                         Executor& blocking)
      : config_(config), store_(std::move(store)), blocking_(blocking) {}
  bool IsWanted(const Ctx& ctx) const;

  const RecordingConfig config_;
  const std::shared_ptr<RecordingStore> store_;
  Executor& blocking_;
  OpenRecordings open_;
  std::unique_ptr<Inference> inference_;
  std::unique_ptr<Retrieval> retrieval_;
  std::unique_ptr<LocalOrchestration> service_;
  Scope scope_;
};

}  // namespace tessera
