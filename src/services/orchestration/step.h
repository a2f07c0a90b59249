#pragma once
// A step of a graph, and the run that it works in.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/task.h"
#include "runtime/channel.h"
#include "services/orchestration/value.h"
#include "tessera/v1/inference.tessera.h"
#include "tessera/v1/orchestration.pb.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// What the steps of a run share. Lives as long as the run. Steps of `parallel` and `map` work side
/// by side, on different threads; they may use the services, `events` and Note(), no more.
struct RunShared {
  RunShared(v1::RunRequest run_request, Inference& inference_service, Retrieval& retrieval_service,
            Executor& cpu_pool)
      : request(std::move(run_request)),
        inference(inference_service),
        retrieval(retrieval_service),
        cpu(cpu_pool) {}

  /// Counts what a generation used, and keeps how it ended.
  void Note(const v1::GenerateEvent& event);

  const v1::RunRequest request;
  Inference& inference;
  Retrieval& retrieval;
  Executor& cpu;                             // for what takes longer than a millisecond
  v1::Model model;                           // the language model that the run uses
  std::optional<v1::Collection> collection;  // of the request, where it names one
  std::shared_ptr<Channel<v1::RunEvent>> events;

  // What the last event will say.
  v1::RunEvent last;
  std::uint32_t answer_code_points = 0;  // sent so far

 private:
  std::mutex mutex_;  // of Note()
};

/// One strand of a run: the shared part and its own variables. Branches of `parallel` and `map`
/// each get a copy.
struct Run {
  RunShared* shared = nullptr;
  Variables variables;
  std::vector<float> question_vector;
  std::string question_embedder;  // the model that made it

  Run Fork() const { return Run{shared, variables.Fork(), question_vector, question_embedder}; }
};

/// Immutable after parsing; used by many runs at once.
class Step {
 public:
  virtual ~Step() = default;
  /// Works on `run`, which outlives the task.
  virtual Task<Status> Execute(Ctx ctx, Run* run) const = 0;
};

using StepPtr = std::unique_ptr<const Step>;

/// Sends a piece of the answer to the client; waits while it does not read.
Task<Status> SendText(Ctx ctx, RunShared* shared, std::string text);
/// Tells the client which step has begun, unless it wants the answer only.
Task<Status> SendStep(Ctx ctx, RunShared* shared, std::string step);

/// Code points of UTF-8 text.
std::uint32_t CodePoints(std::string_view text);

}  // namespace tessera
