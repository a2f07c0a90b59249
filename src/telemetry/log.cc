#include "telemetry/log.h"

#include <algorithm>
#include <ctime>

#include "base/ctx.h"
#include "telemetry/log_pipeline.h"
#include "telemetry/log_record.h"
#include "telemetry/log_site.h"

namespace tessera {
namespace {

constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};
constexpr std::size_t kFieldsMax = 64;
constexpr std::size_t kTextMax = 16 << 10;  // of one value

std::int64_t WallMicros() {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

LogRecord RecordOf(const LogSite& site, LogLevel level, std::string_view message,
                   LogFields fields) {
  LogRecord record;
  record.time_us = WallMicros();
  record.level = level;
  record.line = site.line();
  record.module = site.module();
  record.file = site.file();
  record.function = site.function();
  record.message = message.substr(0, kTextMax);
  record.fields.reserve(std::min(fields.size(), kFieldsMax));
  for (const LogField& field : fields) {
    if (record.fields.size() == kFieldsMax) break;
    auto& [name, text] = record.fields.emplace_back(field.name, field.text());
    if (text.size() > kTextMax) text.resize(kTextMax);
  }
  return record;
}

void Write(const Ctx* ctx, LogLevel level, std::string_view message, LogFields fields,
           const LogPlace& place) {
  if (level < LowestLogLevel()) return;
  LogSite& site = LogSite::Of(place);
  if (!site.wants(level)) return;
  LogPipeline& pipeline = LogPipeline::Process();
  std::uint64_t suppressed = 0;
  if (!site.Admit(&suppressed)) {
    pipeline.CountSuppressed();
    return;
  }
  LogRecord record = RecordOf(site, level, message, fields);
  record.suppressed = suppressed;
  if (ctx != nullptr) {
    const RequestInfo& info = ctx->info();
    record.trace_high = info.trace.high;
    record.trace_low = info.trace.low;
    record.span = ctx->span_id();
    record.request_id = info.request_id;
    record.tenant = info.tenant;
  }
  pipeline.Add(std::move(record));
}

}  // namespace

std::string_view Name(LogLevel level) { return kNames[static_cast<std::size_t>(level)]; }

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<LogLevel>(found - std::begin(kNames));
}

std::string LogField::text() const {
  switch (kind_) {
    case Kind::kText:
      return std::string(text_);
    case Kind::kSigned:
      return StrCat(number_);
    case Kind::kUnsigned:
      return StrCat(static_cast<std::uint64_t>(number_));
    default:
      return owned_;
  }
}

void Log(LogLevel level, std::string_view message, LogFields fields, LogPlace place) {
  Write(nullptr, level, message, fields, place);
}

void Log(const Ctx& ctx, LogLevel level, std::string_view message, LogFields fields,
         LogPlace place) {
  Write(&ctx, level, message, fields, place);
}

}  // namespace tessera
