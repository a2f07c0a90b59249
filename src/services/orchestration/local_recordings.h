#pragma once
// The contract Recordings, in the process with the edge.

#include <memory>

#include "services/orchestration/local_orchestration.h"
#include "services/orchestration/recording_store.h"
#include "tessera/v1/recordings.tessera.h"

namespace tessera {

/// Thread-safe.
class LocalRecordings final : public Recordings {
 public:
  /// All given outlive it. `config`: of the orchestration, for its graphs.
  LocalRecordings(std::shared_ptr<RecordingStore> store, LocalOrchestration::Config config,
                  Inference& inference, Retrieval& retrieval, Executor& cpu, Executor& blocking)
      : store_(std::move(store)),
        config_(std::move(config)),
        inference_(inference),
        retrieval_(retrieval),
        cpu_(cpu),
        blocking_(blocking) {}

  Task<Result<v1::ListRecordingsReply>> ListRecordings(Ctx ctx,
                                                       v1::ListRecordingsRequest request) override;
  Task<Result<v1::DeleteRecordingReply>> DeleteRecording(
      Ctx ctx, v1::DeleteRecordingRequest request) override;
  Task<Result<v1::ReplayReply>> Replay(Ctx ctx, v1::ReplayRequest request) override;

 private:
  const std::shared_ptr<RecordingStore> store_;
  const LocalOrchestration::Config config_;
  Inference& inference_;
  Retrieval& retrieval_;
  Executor& cpu_;
  Executor& blocking_;
};

}  // namespace tessera
