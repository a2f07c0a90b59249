#pragma once
// Log records: one line each, to standard error.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/str.h"

namespace tessera {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

/// For the whole process; set once at start-up. Default: info, text.
void ConfigureLog(LogLevel level, LogFormat format);

/// A named value of a record; numbers are written as text.
struct LogField {
  template <class T>
  LogField(std::string_view field_name, const T& field_value)
      : name(field_name), value(StrCat(field_value)) {}
  std::string_view name;
  std::string value;
};

/// Writes one record. `message` is a fixed sentence; what varies goes into fields. Never secrets,
/// never prompt text. Thread-safe.
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace tessera
