#include "logs/log_collector.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <unistd.h>

#include "base/ctx.h"
#include "base/str.h"
#include "logs/log_message.h"
#include "telemetry/log_pipeline.h"
#include "telemetry/process_name.h"

namespace tessera {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(250);
constexpr Duration kAnswerTime = std::chrono::seconds(2);
constexpr Duration kOwnFlush = std::chrono::milliseconds(200);
constexpr std::uint32_t kRoundsMax = 50;  // in one go, while there is more

}  // namespace

LogCollector::LogCollector(Parts parts)
    : parts_(std::move(parts)),
      missed_(Metrics::Process().NewCounter("tessera_log_dropped_total",
                                            "Log records that found no room, by where.",
                                            {{"where", "gathering"}})),
      store_(parts_.bytes_max),
      rounds_(kLook, [this](Rounds::Why why) { Round(why); }) {}

void LogCollector::Round(Rounds::Why why) {
  if (why != Rounds::Why::kTime) LogPipeline::Process().Flush(kOwnFlush);
  Collect();
}

void LogCollector::SetOthers(Others others) {
  Collect();
  std::lock_guard collecting(collecting_);
  others_ = std::move(others);
}

v1::TakeLogsRequest LogCollector::Question(int pid) {
  v1::TakeLogsRequest request;
  std::lock_guard lock(mutex_);
  Cursor& cursor = cursors_[pid];
  cursor.round = round_;
  request.set_after(cursor.after);
  return request;
}

// What a process had no room to keep until it was asked leaves a gap in its numbers.
void LogCollector::Accept(TakenLogs taken, std::vector<v1::LogRecord>* gathered) {
  if (taken.reply.records().empty()) return;
  std::lock_guard lock(mutex_);
  Cursor& cursor = cursors_[taken.pid];
  for (v1::LogRecord& record : *taken.reply.mutable_records()) {
    if (record.number() <= cursor.after) continue;
    missed_.Add(record.number() - cursor.after - 1);
    cursor.after = record.number();
    record.set_process(taken.name);
    record.set_group(taken.group);
    gathered->push_back(std::move(record));
  }
}

void LogCollector::Collect() {
  std::lock_guard collecting(collecting_);
  for (std::uint32_t i = 0; i < kRoundsMax; ++i) {
    std::vector<v1::LogRecord> gathered;
    {
      std::lock_guard lock(mutex_);
      ++round_;
    }
    ProcessName own = CurrentProcessName();
    Accept({std::move(own.process), std::move(own.group), ::getpid(),
            TakeOwnLogs(Question(::getpid()))},
           &gathered);
    if (others_) {
      for (TakenLogs& taken :
           SyncWait(others_(SystemCtx().WithTimeout(kAnswerTime), [this](int pid) {
             v1::TakeLogsRequest question = Question(pid);
             *question.mutable_levels() = ToMessage(CurrentLogLevels());
             return question;
           })))
        Accept(std::move(taken), &gathered);
    }
    {
      std::lock_guard lock(mutex_);
      std::erase_if(cursors_, [this](const auto& one) { return one.second.round != round_; });
    }
    if (gathered.empty()) return;
    std::stable_sort(gathered.begin(), gathered.end(),
                     [](const auto& a, const auto& b) { return a.time_us() < b.time_us(); });
    const std::vector<GatheredLog> added = store_.Add(std::move(gathered));
    if (parts_.sink) parts_.sink(added);
  }
}

void LogCollector::SetLevel(const std::string& module, std::optional<LogLevel> level) {
  std::lock_guard lock(mutex_);
  LogLevels levels = CurrentLogLevels();
  if (module.empty()) {
    levels.others = level.value_or(LogLevel::kInfo);
  } else if (level) {
    levels.modules[module] = *level;
  } else {
    levels.modules.erase(module);
  }
  SetLogLevels(std::move(levels));
}

}  // namespace tessera
