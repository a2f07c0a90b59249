#include "logs/log_shipper.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/str.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

Labels To(const LogSink& sink) { return {{"sink", std::string(sink.name())}}; }

Counter& NewDrops(const LogSink& sink, const char* why) {
  return Metrics::Process().NewCounter("tessera_log_dropped_total",
                                       "Log records that found no room, by where.",
                                       {{"where", StrCat(sink.name(), "_", why)}});
}

}  // namespace

LogShipper::LogShipper(std::unique_ptr<LogSpool> spool, std::unique_ptr<LogSink> sink,
                       Options options)
    : spool_(std::move(spool)),
      sink_(std::move(sink)),
      options_(options),
      sent_(Metrics::Process().NewCounter("tessera_log_sink_sent_total",
                                          "Log records that the sink has taken.", To(*sink_))),
      rejected_(NewDrops(*sink_, "rejected")),
      dropped_(NewDrops(*sink_, "spool")),
      failed_(Metrics::Process().NewCounter("tessera_log_sink_failures_total",
                                            "Requests to the sink that failed.", To(*sink_))),
      waiting_(Metrics::Process().NewGauge("tessera_log_sink_waiting",
                                           "Log records in the sink's spool.", To(*sink_))),
      spooled_(Metrics::Process().NewGauge("tessera_log_sink_spool_bytes",
                                           "Bytes of the sink's spool.", To(*sink_))),
      batch_records_(options_.batch_records),
      thread_([this] { Run(); }) {}

LogShipper::~LogShipper() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  {
    std::unique_lock lock(mutex_);
    if (!wake_.wait_for(lock, options_.last_try, [this] { return ended_; }))
      cancel_.Cancel(absl::CancelledError("the platform stops"));
  }
  thread_.join();
}

void LogShipper::Add(const std::vector<GatheredLog>& records) {
  dropped_.Add(spool_->Append(records));
  Show();
  {
    std::lock_guard lock(mutex_);
    fresh_ = true;
  }
  wake_.notify_all();
}

void LogShipper::Show() {
  waiting_.Set(static_cast<std::int64_t>(spool_->records()));
  spooled_.Set(static_cast<std::int64_t>(spool_->bytes()));
}

bool LogShipper::Flush(Duration limit) {
  std::unique_lock lock(mutex_);
  hurry_ = true;
  wake_.notify_all();
  return wake_.wait_for(lock, limit, [this] { return spool_->records() == 0; });
}

bool LogShipper::stopping() const {
  std::lock_guard lock(mutex_);
  return stopping_;
}

bool LogShipper::Pause(Duration duration) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, duration, [this] { return stopping_; });
}

void LogShipper::Run() {
  Work();
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_all();
}

void LogShipper::Work() {
  while (true) {
    Show();
    LogSpool::Batch batch = spool_->Peek(batch_records_, options_.batch_bytes);
    if (batch.records.empty()) {
      std::unique_lock lock(mutex_);
      hurry_ = false;
      wake_.notify_all();
      if (stopping_) return;
      wake_.wait(lock, [this] { return fresh_ || stopping_; });
      fresh_ = false;
      if (!stopping_) wake_.wait_for(lock, options_.delay, [this] { return hurry_ || stopping_; });
      continue;
    }
    const std::size_t wanted = batch_records_;
    if (SendAll(batch.records)) {
      spool_->Done(batch);
      batch_records_ = std::min(batch_records_ * 2, options_.batch_records);
    } else if (stopping()) {
      return;  // it stays in the spool
    } else if (batch_records_ == wanted) {
      continue;
    }
  }
}

// Said once when the sink goes away and once when it is back: it may be the log's own sink.
void LogShipper::Tell(const std::string& reason) {
  if (away_ == !reason.empty()) return;
  away_ = !reason.empty();
  if (away_) {
    Log(LogLevel::kWarning, "a sink of the log does not take records; they are kept for it",
        {{"sink", sink_->name()}, {"reason", reason}});
  } else {
    Log(LogLevel::kInfo, "a sink of the log takes records again", {{"sink", sink_->name()}});
  }
}

// What it says of its own is rejected too, perhaps: that is not told again.
void LogShipper::Reject(const std::vector<v1::LogRecord>& records, std::uint64_t count,
                        const std::string& reason) {
  rejected_.Add(count);
  const bool own = std::all_of(records.begin(), records.end(),
                               [](const auto& record) { return record.module() == "logs"; });
  if (own) return;
  Log(LogLevel::kWarning, "a sink of the log has rejected records",
      {{"sink", sink_->name()}, {"records", count}, {"reason", reason}});
}

// Leaves in `left` what is to be sent again.
void LogShipper::Judge(const Result<LogSink::Reply>& reply, std::vector<v1::LogRecord>* left) {
  if (reply.ok()) {
    if (reply->rejected > 0) Reject(*left, reply->rejected, reply->reason);
    std::vector<v1::LogRecord> again;
    for (const std::size_t index : reply->again) again.push_back(std::move((*left)[index]));
    sent_.Add(left->size() - again.size() - reply->rejected);
    left->swap(again);
    if (left->empty()) Tell("");
    return;
  }
  failed_.Add();
  if (absl::IsInvalidArgument(reply.status()) ||
      (absl::IsOutOfRange(reply.status()) && left->size() == 1)) {
    Reject(*left, left->size(), reply.status().ToString());
    left->clear();
    return;
  }
  Tell(reply.status().ToString());
}

// False: it is to be fetched from the spool again, or the end has come.
bool LogShipper::SendAll(std::vector<v1::LogRecord> records) {
  Duration pause = options_.retry_min;
  while (true) {
    const bool last = stopping();
    Ctx ctx = SystemCtx(cancel_.token());
    if (last) ctx = ctx.WithTimeout(options_.last_try);
    const Result<LogSink::Reply> reply = SyncWait(sink_->Send(ctx, records));
    if (!reply.ok() && absl::IsOutOfRange(reply.status()) && records.size() > 1) {
      batch_records_ = records.size() / 2;
      return false;
    }
    Judge(reply, &records);
    if (records.empty()) return true;
    if (last) return false;
    // Not all at the same time: half of the pause is by chance.
    const auto jitter = std::chrono::duration_cast<Duration>(
        pause * (static_cast<double>(RandomId() >> 11) / 9007199254740992.0) / 2);
    if (!Pause(pause / 2 + jitter)) continue;  // one more, the last
    pause = std::min(pause * 2, options_.retry_max);
  }
}

}  // namespace tessera
