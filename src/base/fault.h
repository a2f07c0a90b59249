#pragma once
// Which errors are the platform's own fault: what moves and objectives count.

#include <string_view>

#include "base/status.h"

namespace tessera {

/// The error code (net/http_error.h) of what failed behind a service, at a server of somebody
/// else's: the instance that says so is well.
inline constexpr std::string_view kUpstreamFailed = "upstream_failed";

constexpr bool IsFault(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

}  // namespace tessera
