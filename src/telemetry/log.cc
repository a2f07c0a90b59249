#include "telemetry/log.h"

#include <atomic>

#include <unistd.h>

#include "base/clock.h"

namespace tessera {
namespace {

std::atomic<LogLevel> min_level{LogLevel::kInfo};
std::atomic<LogFormat> log_format{LogFormat::kText};

constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};

void AppendQuoted(std::string& line, std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  line.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line.push_back('\\');
      line.push_back(c);
    } else if (byte < 0x20 || byte == 0x7f) {  // no record can forge another, no terminal is driven
      StrAppend(&line, "\\u00", kDigits.substr(byte >> 4, 1), kDigits.substr(byte & 15, 1));
    } else {
      line.push_back(c);
    }
  }
  line.push_back('"');
}

}  // namespace

void ConfigureLog(LogLevel level, LogFormat format) {
  min_level = level;
  log_format = format;
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < min_level.load(std::memory_order_relaxed)) return;
  char time[25];
  const std::string_view now = Rfc3339(WallMillis(), time);
  const std::string_view name = kNames[static_cast<int>(level)];
  std::string line;
  if (log_format.load(std::memory_order_relaxed) == LogFormat::kJson) {
    StrAppend(&line, R"({"time":")", now, R"(","level":")", name, R"(","message":)");
    AppendQuoted(line, message);
    for (const LogField& field : fields) {
      StrAppend(&line, ",\"", field.name, "\":");
      AppendQuoted(line, field.value);
    }
    line += "}\n";
  } else {
    StrAppend(&line, now, " ", name, " ", message);
    for (const LogField& field : fields) {
      StrAppend(&line, " ", field.name, "=");
      AppendQuoted(line, field.value);
    }
    line += "\n";
  }
  // One write a record, so that lines of several threads do not mix. A closed stderr loses logs,
  // never the process.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace tessera
