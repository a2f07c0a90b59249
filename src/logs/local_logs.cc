#include "logs/local_logs.h"

#include <chrono>
#include <deque>
#include <utility>

#include "base/str.h"
#include "logs/log_message.h"
#include "runtime/thread_pool.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

constexpr Duration kFlush = std::chrono::seconds(3);
constexpr Duration kLook = std::chrono::milliseconds(100);
constexpr std::uint32_t kStep = 1000;
constexpr std::size_t kModuleMax = 100;

/// What matches, until it is over.
class LogTail final : public Stream<v1::LogRecord> {
 public:
  LogTail(const LogCollector& collector, v1::ListLogsRequest request,
          std::shared_ptr<const std::atomic<bool>> over)
      : collector_(collector), request_(std::move(request)), over_(std::move(over)) {}

  Task<Result<std::optional<v1::LogRecord>>> Next(Ctx ctx) override {
    while (waiting_.empty()) {
      v1::ListLogsReply reply = collector_.store().List(request_);
      for (v1::LogRecord& record : *reply.mutable_records()) waiting_.push_back(std::move(record));
      if (reply.last() > 0) {
        request_.set_after(reply.last());
        request_.set_limit(kStep);
      }
      if (!waiting_.empty()) break;
      if (*over_) co_return std::nullopt;
      CO_TRY(co_await SleepFor(ctx, kLook));
    }
    std::optional<v1::LogRecord> next = std::move(waiting_.front());
    waiting_.pop_front();
    co_return next;
  }

 private:
  const LogCollector& collector_;
  v1::ListLogsRequest request_;
  const std::shared_ptr<const std::atomic<bool>> over_;
  std::deque<v1::LogRecord> waiting_;
};

}  // namespace

Task<Result<v1::TakeLogsReply>> OwnLogs::TakeLogs(Ctx, v1::TakeLogsRequest request) {
  co_return TakeOwnLogs(request);
}

Task<Result<v1::ListLogsReply>> LocalLogs::ListLogs(Ctx, v1::ListLogsRequest request) {
  const auto list = [this, &request] {
    collector_.Flush(kFlush);
    return collector_.store().List(request);
  };
  co_return co_await RunOn(blocking_, list);
}

Task<Result<StreamPtr<v1::LogRecord>>> LocalLogs::WatchLogs(Ctx, v1::ListLogsRequest request) {
  co_return std::make_unique<LogTail>(collector_, std::move(request), over_);
}

Task<Result<v1::LogLevels>> LocalLogs::GetLogLevels(Ctx, v1::GetLogLevelsRequest) {
  co_return ToMessage(CurrentLogLevels());
}

Task<Result<v1::LogLevels>> LocalLogs::SetLogLevel(Ctx, v1::SetLogLevelRequest request) {
  if (request.module().size() > kModuleMax)
    co_return absl::InvalidArgumentError(StrCat("module: at most ", kModuleMax, " bytes"));
  std::optional<LogLevel> level;
  if (request.level() != v1::LOG_LEVEL_UNSPECIFIED) level = FromMessage(request.level());
  collector_.SetLevel(request.module(), level);
  co_await RunOn(blocking_, [this] { collector_.Flush(kFlush); });
  co_return ToMessage(CurrentLogLevels());
}

}  // namespace tessera
