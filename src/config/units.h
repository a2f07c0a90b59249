#pragma once
// Durations and sizes as people write them: "30s", "1h30m", "64MiB".

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tessera {

/// Nanoseconds of "250ms", "30s", "1m30s", "2h", "7d" (units ns, us, ms, s, m, h, d; the number may
/// have a fraction). "0" needs no unit.
Result<std::int64_t> ParseDuration(std::string_view text);
std::string FormatDuration(std::int64_t nanoseconds);

/// Bytes of "512", "64KiB", "1.5GiB", "10MB" (KiB, MiB, GiB, TiB are powers of 1024; kB, MB, GB, TB
/// of 1000).
Result<std::int64_t> ParseBytes(std::string_view text);
std::string FormatBytes(std::int64_t bytes);

}  // namespace tessera
