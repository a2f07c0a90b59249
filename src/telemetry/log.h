#pragma once
// Log records: what a process says about itself. Where they go: telemetry/log_pipeline.h.

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/str.h"

namespace tessera {

class Ctx;

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

/// "debug", "info", "warning", "error".
std::string_view Name(LogLevel level);
std::optional<LogLevel> ParseLogLevel(std::string_view name);

/// A named value of a record; numbers are written as text. Lives as long as the call that it is
/// given to: texts are not copied before it is known that somebody wants them.
class LogField {
 public:
  template <class T>
  LogField(std::string_view field_name, const T& value) : name(field_name) {
    if constexpr (std::convertible_to<const T&, std::string_view>) {
      text_ = value;
    } else if constexpr (std::signed_integral<T>) {
      number_ = value;
      kind_ = Kind::kSigned;
    } else if constexpr (std::unsigned_integral<T> && !std::same_as<T, bool>) {
      number_ = static_cast<std::int64_t>(value);
      kind_ = Kind::kUnsigned;
    } else {
      owned_ = StrCat(value);
      kind_ = Kind::kOwned;
    }
  }
  std::string text() const;

  std::string_view name;

 private:
  enum class Kind : std::uint8_t { kText, kSigned, kUnsigned, kOwned };
  Kind kind_ = Kind::kText;
  std::int64_t number_ = 0;
  std::string_view text_;
  std::string owned_;
};
using LogFields = std::initializer_list<LogField>;
using LogPlace = std::source_location;

/// Writes one record. `message` is a fixed sentence; what varies goes into fields. Never secrets,
/// never prompt text. Never waits for whoever reads the log. What one place says again and again is
/// counted instead of written (telemetry/log_site.h). Thread-safe.
void Log(LogLevel level, std::string_view message, LogFields fields = {},
         LogPlace place = LogPlace::current());

/// The same with the request that it is about: its trace, id and tenant.
void Log(const Ctx& ctx, LogLevel level, std::string_view message, LogFields fields = {},
         LogPlace place = LogPlace::current());

}  // namespace tessera
