#pragma once
// The contract ProcessProfiles, in every process.

#include "base/executor.h"
#include "tessera/v1/profiles.tessera.h"

namespace tessera {

/// Of this process. Thread-safe.
class OwnProfiles final : public ProcessProfiles {
 public:
  /// `blocking` outlives it.
  explicit OwnProfiles(Executor& blocking) : blocking_(blocking) {}

  Task<Result<v1::ProcessProfile>> TakeProfile(Ctx ctx, v1::TakeProfileRequest request) override;

 private:
  Executor& blocking_;
};

}  // namespace tessera
