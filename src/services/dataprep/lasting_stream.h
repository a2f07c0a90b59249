#pragma once
// Watching a job goes on while its dataprep is moved.

#include <functional>

#include "base/stream.h"
#include "base/task.h"
#include "tessera/v1/dataprep.pb.h"

namespace tessera {

/// A stream of a job's states up to its end, which it tells once: `open` gives it again when the
/// one at hand ends, or breaks off, before that. Errors of `open` and of ctx end it.
class LastingJobStream final : public Stream<v1::Job> {
 public:
  using Opener = std::function<Task<Result<StreamPtr<v1::Job>>>(Ctx ctx)>;
  LastingJobStream(Opener open, StreamPtr<v1::Job> first)
      : open_(std::move(open)), stream_(std::move(first)) {}

  Task<Result<std::optional<v1::Job>>> Next(Ctx ctx) override;

 private:
  const Opener open_;
  StreamPtr<v1::Job> stream_;
  bool finished_ = false;
};

}  // namespace tessera
