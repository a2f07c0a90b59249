#include "services/dataprep/lasting_stream.h"

#include <utility>

#include "runtime/timer.h"
#include "services/dataprep/job.h"

namespace tessera {
namespace {

constexpr int kAttempts = 8;
constexpr auto kFirstPause =
    std::chrono::milliseconds(10);  // doubled each time: about 2.5 s in all

// What another instance, or the way to it, may answer while it is moved or starts again. A deadline
// or a cancellation is that of the call that opened the stream, when the reader's own holds.
bool MayPass(const Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsCancelled(status);
}

}  // namespace

Task<Result<std::optional<v1::Job>>> LastingJobStream::Next(Ctx ctx) {
  if (finished_) co_return std::nullopt;
  Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    Status failed;
    if (stream_ == nullptr) {
      Result<StreamPtr<v1::Job>> opened = co_await open_(ctx);
      if (opened.ok())
        stream_ = *std::move(opened);
      else
        failed = opened.status();
    }
    if (failed.ok()) {
      Result<std::optional<v1::Job>> item = co_await stream_->Next(ctx);
      if (item.ok() && item->has_value()) {
        finished_ = HasEnded((*item)->state());
        co_return item;
      }
      CO_TRY(ctx.Check());
      failed = item.status();
      stream_.reset();
    }
    CO_TRY(ctx.Check());
    if (failed.ok()) continue;  // let go of: another goes on with it
    if (!MayPass(failed) || attempt >= kAttempts) co_return failed;
    CO_TRY(co_await SleepFor(ctx, pause));
    pause *= 2;
  }
}

}  // namespace tessera
