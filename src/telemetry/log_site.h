#pragma once
// The places in the program that write records: each has a module, whose level can be changed while
// the process runs, and a limit of its own, so that a storm at one place does not drown the rest.

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "telemetry/log.h"

namespace tessera {

/// Levels by module; a name stands for the modules below it too ("services" for
/// "services/retrieval"), the longest that matches decides.
struct LogLevels {
  LogLevel others = LogLevel::kInfo;
  std::map<std::string, LogLevel> modules;
  bool operator==(const LogLevels&) const = default;
};

/// From the return on, they hold in this process. Thread-safe.
void SetLogLevels(LogLevels levels);
LogLevels CurrentLogLevels();

/// So many records in one go, then so many a second, of each place. 0 a second: no limit.
struct LogStorm {
  std::uint32_t burst = 100;
  std::uint32_t per_second = 10;
};
void SetLogStorm(LogStorm storm);

struct LogModule {
  std::string name;
  std::atomic<LogLevel> level{LogLevel::kInfo};
};

class LogSite {
 public:
  LogSite(const LogPlace& place, LogModule& module);
  /// The one of `place`; it lives as long as the process. A nanosecond or two.
  static LogSite& Of(const LogPlace& place);

  bool wants(LogLevel level) const {
    return level >= module_.level.load(std::memory_order_relaxed);
  }
  /// May it write now? What was refused since it last might goes to `suppressed`.
  bool Admit(std::uint64_t* suppressed);

  std::string_view module() const { return module_.name; }
  std::string_view file() const { return file_; }
  std::string_view function() const { return function_; }
  std::uint32_t line() const { return line_; }

 private:
  bool Is(const LogPlace& place) const {
    return name_ == place.file_name() && line_ == place.line();
  }

  const char* const name_;
  const std::uint32_t line_;
  LogModule& module_;
  const std::string_view file_;
  const std::string_view function_;
  std::atomic<std::int64_t> full_until_{0};  ///< when the bucket is empty again, ns (GCRA)
  std::atomic<std::uint64_t> suppressed_{0};
};

/// The lowest level that any module writes: a record below it needs no look at its place.
LogLevel LowestLogLevel();

/// "src/services/retrieval/x.cc" is of "services/retrieval"; what is not below src/ is of "other".
std::string_view ModuleOf(std::string_view file);

}  // namespace tessera
