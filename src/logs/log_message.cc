#include "logs/log_message.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "base/ids.h"
#include "base/str.h"
#include "telemetry/log_format.h"
#include "telemetry/log_pipeline.h"

namespace tessera {
namespace {

constexpr std::uint32_t kTakeMax = 2000;
constexpr std::size_t kTakeBytesMax = 1 << 20;

std::uint64_t FromHex(std::string_view digits) {
  std::uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

// Its views are of `message`.
LogRecord PlainOf(const v1::LogRecord& message) {
  LogRecord record;
  record.sequence = message.number();
  record.time_us = message.time_us();
  record.level = FromMessage(message.level());
  record.line = message.line();
  record.module = message.module();
  record.file = message.file();
  record.message = message.message();
  const std::map<std::string, std::string> fields(message.fields().begin(), message.fields().end());
  record.fields.assign(fields.begin(), fields.end());
  if (const std::string_view trace = message.trace_id(); trace.size() == 32) {
    record.trace_high = FromHex(trace.substr(0, 16));
    record.trace_low = FromHex(trace.substr(16));
  }
  record.span = FromHex(message.span_id());
  record.request_id = message.request_id();
  record.tenant = message.tenant();
  record.suppressed = message.suppressed();
  return record;
}

}  // namespace

v1::LogLevel ToMessage(LogLevel level) {
  return static_cast<v1::LogLevel>(static_cast<int>(level) + v1::LOG_LEVEL_DEBUG);
}

LogLevel FromMessage(v1::LogLevel level) {
  if (level < v1::LOG_LEVEL_DEBUG || level > v1::LOG_LEVEL_ERROR) return LogLevel::kInfo;
  return static_cast<LogLevel>(level - v1::LOG_LEVEL_DEBUG);
}

v1::LogLevels ToMessage(const LogLevels& levels) {
  v1::LogLevels message;
  message.set_others(ToMessage(levels.others));
  for (const auto& [module, level] : levels.modules)
    (*message.mutable_modules())[module] = ToMessage(level);
  return message;
}

LogLevels FromMessage(const v1::LogLevels& levels) {
  LogLevels all{.others = FromMessage(levels.others()), .modules = {}};
  for (const auto& [module, level] : levels.modules()) all.modules[module] = FromMessage(level);
  return all;
}

v1::LogRecord ToMessage(const LogRecord& record, const LogOrigin& origin, std::int64_t epoch_us) {
  v1::LogRecord message;
  message.set_time_us(record.time_us);
  message.set_level(ToMessage(record.level));
  message.set_module(std::string(record.module));
  message.set_message(record.message);
  for (const auto& [name, text] : record.fields) (*message.mutable_fields())[name] = text;
  if (record.trace_high != 0 || record.trace_low != 0)
    message.set_trace_id(Hex(record.trace_high) + Hex(record.trace_low));
  if (record.span != 0) message.set_span_id(Hex(record.span));
  message.set_request_id(record.request_id);
  message.set_tenant(record.tenant);
  message.set_process(origin.node);
  message.set_pid(origin.pid);
  message.set_file(std::string(record.file));
  message.set_line(record.line);
  message.set_suppressed(record.suppressed);
  message.set_number(record.sequence);
  message.set_epoch_us(epoch_us);
  return message;
}

std::string IdOf(const v1::LogRecord& record) {
  return StrCat(Hex(static_cast<std::uint64_t>(record.epoch_us())), "-", record.pid(), "-",
                record.number());
}

std::string EcsJson(const v1::LogRecord& record, const std::string& service,
                    const std::string& version) {
  std::string json;
  AppendEcsJson(
      &json, PlainOf(record),
      {.service = service, .version = version, .node = record.process(), .pid = record.pid()});
  json.pop_back();
  StrAppend(&json, R"(,"event.id":")", IdOf(record), "\"}");
  return json;
}

std::string TextLine(const v1::LogRecord& record, bool colour) {
  LogRecord plain = PlainOf(record);
  plain.fields.emplace_back("process", record.process());
  std::string line;
  AppendLogText(&line, plain, colour);
  return line;
}

v1::TakeLogsReply TakeOwnLogs(const v1::TakeLogsRequest& request) {
  if (request.has_levels()) {
    LogLevels levels = FromMessage(request.levels());
    if (levels != CurrentLogLevels()) SetLogLevels(std::move(levels));
  }
  const LogPipeline& pipeline = LogPipeline::Process();
  const std::uint32_t max = std::min(request.max() == 0 ? kTakeMax : request.max(), kTakeMax);
  v1::TakeLogsReply reply;
  std::size_t bytes = 0;
  const LogOrigin origin = pipeline.origin();
  for (const LogRecordPtr& record : pipeline.ring().After(request.after(), max)) {
    if (bytes > kTakeBytesMax) break;
    v1::LogRecord& added = *reply.add_records();
    added = ToMessage(*record, origin, pipeline.epoch_us());
    bytes += added.ByteSizeLong();
  }
  reply.set_last(pipeline.ring().last());
  return reply;
}

}  // namespace tessera
