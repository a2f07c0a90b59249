#include "telemetry/log_pipeline.h"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/str.h"
#include "telemetry/log_site.h"
#include "telemetry/process_name.h"

namespace tessera {
namespace {

constexpr auto kGather = std::chrono::milliseconds(5);  // so that one wake-up serves many records
constexpr Duration kLastWrites = std::chrono::seconds(1);
constexpr Duration kAtAbort = std::chrono::seconds(1);
constexpr int kLook_ms = 50;

Counter& NewDropCounter(const char* where) {
  return Metrics::Process().NewCounter(
      "tessera_log_dropped_total", "Log records that found no room, by where.", {{"where", where}});
}

std::int64_t Micros() {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

LogPipeline& LogPipeline::Process() {
  static LogPipeline* const pipeline =
      std::make_unique<LogPipeline>().release();  // never destroyed
  return *pipeline;
}

LogPipeline::LogPipeline()
    : epoch_us_(Micros()),
      ring_(options_.ring_bytes),
      written_(Metrics::Process().NewCounter("tessera_log_records_total", "Log records.")),
      suppressed_(Metrics::Process().NewCounter(
          "tessera_log_suppressed_total",
          "Log records that were counted instead of written, because their place said too much.")),
      dropped_(NewDropCounter("queue")),
      unwritten_(NewDropCounter("output")) {
  options_.redactor = std::make_shared<const Redactor>(std::vector<std::string>());
}

LogPipeline::~LogPipeline() { Stop(); }

void LogPipeline::Start(Options options) {
  Stop();
  if (!options.redactor) options.redactor = options_.redactor;
  options_ = std::move(options);
  ring_.SetBound(options_.ring_bytes);
  if (options_.fd >= 0) output_ = std::make_unique<LogOutput>(options_.fd, options_.output_bytes);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  told_queue_ = drops().queue;
  told_output_ = drops().output;
  handled_ = taken_;
  stopping_ = false;
  running_ = true;
  thread_ = std::thread([this] { Run(); });
}

void LogPipeline::Stop() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  Wake();
  thread_.join();
  running_ = false;
  TakeAll();  // who came in between
  output_.reset();
  ::close(std::exchange(wake_, -1));
}

void LogPipeline::Wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
}

// Signal handlers come here: no lock, no allocation.
bool LogPipeline::Flush(Duration limit) {
  const std::uint64_t wanted = taken_.load();
  const SteadyTime end = Now() + limit;
  Wake();
  while (running_.load() && finished_.load() < wanted) {
    if (Now() >= end) return false;
    const timespec pause = {.tv_sec = 0, .tv_nsec = 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
  return true;
}

void LogPipeline::Add(LogRecord record) {
  if (!running_.load(std::memory_order_acquire)) {
    WriteNow(std::move(record));
    return;
  }
  const std::size_t bytes = record.bytes();
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (queue_bytes_ + bytes > options_.queue_bytes) {
      dropped_.Add();
      return;
    }
    queue_bytes_ += bytes;
    wake = queue_.empty();
    queue_.push_back(std::move(record));
    taken_.fetch_add(1, std::memory_order_relaxed);
  }
  if (wake) Wake();
}

// One write a record, so that lines of several threads do not mix.
void LogPipeline::WriteNow(LogRecord record) {
  Clean(record);
  std::string line;
  AppendLogText(&line, record, false);
  ring_.Add(std::move(record));
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void LogPipeline::Run() {
  SteadyTime end = SteadyTime::max();
  while (true) {
    const bool waits_for_reader = output_ && !output_->empty();
    pollfd waits[] = {
        {.fd = wake_, .events = POLLIN, .revents = 0},
        {.fd = waits_for_reader ? output_->fd() : -1, .events = POLLOUT, .revents = 0}};
    ::poll(waits, 2, waits_for_reader ? kLook_ms : -1);
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t read = ::read(wake_, &count, sizeof count);
    if (!stopping_ && waits[0].revents != 0) {
      const timespec pause = {.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(kGather).count()};
      ::nanosleep(&pause, nullptr);
    }
    TakeAll();
    if (output_) output_->Write();
    TellOfDrops();
    if (output_) output_->Write();
    const std::uint64_t waiting = output_ ? output_->lines() : 0;
    finished_.store(handled_ - std::min(waiting, handled_));
    if (!stopping_) continue;
    if (end == SteadyTime::max()) end = Now() + kLastWrites;
    if (Idle() && (!output_ || output_->empty())) return;
    if (Now() < end) continue;
    if (output_) unwritten_.Add(output_->lines());
    return;
  }
}

bool LogPipeline::Idle() {
  std::lock_guard lock(mutex_);
  return queue_.empty();
}

void LogPipeline::TakeAll() {
  std::vector<LogRecord> batch;
  {
    std::lock_guard lock(mutex_);
    batch.swap(queue_);
    queue_bytes_ = 0;
  }
  for (LogRecord& record : batch) Take(std::move(record));
  handled_ += batch.size();
}

void LogPipeline::Clean(LogRecord& record) const {
  const Redactor& redactor = *options_.redactor;
  record.message = redactor.Redact(ValidUtf8(record.message));
  for (auto& [name, text] : record.fields)
    text = HoldsSecret(name, text) ? "***" : redactor.Redact(ValidUtf8(text));
  record.tenant = redactor.Redact(ValidUtf8(record.tenant));
  record.request_id = ValidUtf8(record.request_id);
}

void LogPipeline::Take(LogRecord record) {
  Clean(record);
  Put(*ring_.Add(std::move(record)));
  written_.Add();
}

LogOrigin LogPipeline::origin() const {
  LogOrigin origin = options_.origin;
  origin.node = CurrentProcessName().process;
  return origin;
}

void LogPipeline::Put(const LogRecord& record) {
  if (!output_) return;
  std::string line;
  if (options_.format == LogFormat::kJson) {
    AppendEcsJson(&line, record, origin());
    line.push_back('\n');
  } else {
    AppendLogText(&line, record, output_->is_terminal());
  }
  if (!output_->Add(line)) {
    output_->Write();
    if (!output_->Add(line)) unwritten_.Add();
  }
}

// Once there is room again.
void LogPipeline::TellOfDrops() {
  const Drops now = drops();
  if (now.queue == told_queue_ && now.output == told_output_) return;
  if (output_ && output_->lines() > 0) return;
  static const LogPlace place = LogPlace::current();
  const LogSite& site = LogSite::Of(place);
  LogRecord record;
  record.time_us = Micros();
  record.level = LogLevel::kWarning;
  record.module = site.module();
  record.file = site.file();
  record.line = site.line();
  record.message = "log records were dropped";
  record.fields = {{"queue_full", StrCat(now.queue - told_queue_)},
                   {"output_slow", StrCat(now.output - told_output_)}};
  told_queue_ = now.queue;
  told_output_ = now.output;
  Take(std::move(record));
}

namespace {
// What led to it is what matters most; then it goes on as if nobody had looked.
void OnAbort(int signal) {
  LogPipeline::Process().Flush(kAtAbort);
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
  ::raise(signal);
}
}  // namespace

LogRun::LogRun(LogPipeline::Options options) {
  LogPipeline::Process().Start(std::move(options));
  struct sigaction action = {};
  action.sa_handler = OnAbort;
  ::sigaction(SIGABRT, &action, nullptr);
}

LogRun::~LogRun() {
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(SIGABRT, &standard, nullptr);
  LogPipeline::Process().Stop();
}

}  // namespace tessera
