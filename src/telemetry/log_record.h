#pragma once
// One record, as it is kept and passed on.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/log.h"

namespace tessera {

struct LogRecord {
  std::uint64_t sequence = 0;  ///< of its process, without gaps; given by the pipeline
  std::int64_t time_us = 0;    ///< since 1970
  LogLevel level = LogLevel::kInfo;
  std::uint32_t line = 0;
  std::string_view module;    ///< lives as long as the process: "services/retrieval"
  std::string_view file;      ///< the same: "src/edge/edge.cc"
  std::string_view function;  ///< the same
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;
  std::uint64_t trace_high = 0;
  std::uint64_t trace_low = 0;
  std::uint64_t span = 0;
  std::string request_id;
  std::string tenant;
  std::uint64_t suppressed = 0;  ///< records of this place that were counted instead of written

  /// About what it holds of the memory.
  std::size_t bytes() const {
    std::size_t sum = sizeof *this + message.capacity() + request_id.size() + tenant.size();
    for (const auto& [name, text] : fields) sum += 64 + name.size() + text.size();
    return sum;
  }
};

/// Who says it.
struct LogOrigin {
  std::string service = "tessera";
  std::string version;
  std::string node;  ///< the process: "inference-0"
  int pid = 0;
};

}  // namespace tessera
