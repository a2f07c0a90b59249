#include "otlp/otlp_exporter.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/str.h"
#include "base/task.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

Counter& Spans(std::string_view outcome) {
  return Metrics::Process().NewCounter("tessera_otlp_spans_total",
                                       "Spans that were to be sent to the collector, by what "
                                       "became of them.",
                                       {{"outcome", std::string(outcome)}});
}

}  // namespace

OtlpExporter::OtlpExporter(const TelemetryConfig& config, std::string version,
                           std::unique_ptr<OtlpTransport> transport, Retries retries)
    : config_(config.otlp),
      retries_(retries),
      transport_(std::move(transport)),
      messages_(config.Resource(version), version),
      exported_(Spans("exported")),
      rejected_(Spans("rejected")),
      no_room_(Spans("queue_full")),
      failed_(Spans("failed")),
      waiting_(Metrics::Process().NewGauge("tessera_otlp_queue_spans",
                                           "Spans that wait to be sent to the collector.")),
      thread_([this] { Run(); }) {}

OtlpExporter::~OtlpExporter() { Stop(Duration::zero()); }

void OtlpExporter::Add(const v1::SpanFragment& fragment) {
  const auto spans = static_cast<std::uint64_t>(fragment.spans_size());
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || spans_ + spans > config_.queue_max) {
      no_room_.Add(spans);
      return;
    }
  }
  Waiting waiting;
  waiting.spans = spans;
  messages_.Append(fragment, &waiting.bytes);
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty()) oldest_ = Now();
    queue_.push_back(std::move(waiting));
    spans_ += spans;
    waiting_.Set(static_cast<std::int64_t>(spans_));
    if (spans_ < config_.batch_max) return;
  }
  wake_.notify_all();
}

// Requests of several fragments one after the other are one request: so is protobuf.
OtlpExporter::Waiting OtlpExporter::LockedBatch() {
  Waiting batch;
  while (!queue_.empty()) {
    const Waiting& next = queue_.front();
    if (batch.spans > 0 && batch.spans + next.spans > config_.batch_max) break;
    batch.spans += next.spans;
    batch.bytes += next.bytes;
    queue_.pop_front();
  }
  spans_ -= batch.spans;
  oldest_ = Now();
  waiting_.Set(static_cast<std::int64_t>(spans_));
  return batch;
}

void OtlpExporter::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto due = [this] {
      return stopping_ || spans_ >= config_.batch_max ||
             (!queue_.empty() && Now() >= oldest_ + config_.delay);
    };
    if (!due()) {
      const Duration wait =
          queue_.empty() ? Duration(config_.delay) : oldest_ + config_.delay - Now();
      wake_.wait_for(lock, std::max<Duration>(wait, std::chrono::milliseconds(1)), due);
      continue;
    }
    if (queue_.empty()) break;  // and it stops
    const Waiting batch = LockedBatch();
    lock.unlock();
    SendBatch(batch);
    lock.lock();
  }
  ended_ = true;
  wake_.notify_all();
}

// False when it was woken because the exporter stops.
bool OtlpExporter::Pause(Duration time) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, time, [this] { return stopping_; });
}

void OtlpExporter::SendBatch(const Waiting& batch) {
  const std::uint64_t spans = batch.spans;
  Duration pause = retries_.first_pause;
  for (int attempt = 1;; ++attempt) {
    const OtlpOutcome outcome =
        SyncWait(transport_->Send(Ctx(nullptr, cancel_.token()), batch.bytes));
    if (outcome.status.ok()) {
      const std::uint64_t rejected = std::min(outcome.rejected.count, spans);
      exported_.Add(spans - rejected);
      rejected_.Add(rejected);
      return;
    }
    const Duration wanted =
        std::max(pause, std::min<Duration>(outcome.again_after, std::chrono::seconds(60)));
    // Up to a fifth less, so that several platforms do not come at once.
    const auto jitter = Duration(static_cast<Duration::rep>(
        RandomId() % static_cast<std::uint64_t>(wanted.count() / 5 + 1)));
    if (!outcome.again || attempt >= retries_.attempts || cancel_.token().cancelled() ||
        !Pause(wanted - jitter)) {
      failed_.Add(spans);
      Log(LogLevel::kWarning, "spans could not be sent",
          {{"spans", spans}, {"reason", outcome.status.ToString()}});
      return;
    }
    pause = std::min(pause + pause / 2, retries_.pause_max);
  }
}

void OtlpExporter::Stop(Duration limit) {
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) return;
  stopping_ = true;
  wake_.notify_all();
  if (!wake_.wait_for(lock, limit, [this] { return ended_; }))
    cancel_.Cancel(absl::CancelledError("the platform stops"));
  lock.unlock();
  thread_.join();
}

}  // namespace tessera
