#include "net/http_error.h"

#include "absl/strings/numbers.h"

namespace tessera {
namespace {

constexpr char kHttpStatus[] = "tessera/http-status";
constexpr char kErrorCode[] = "tessera/error-code";
constexpr char kRetryAfter[] = "tessera/retry-after";

int PayloadNumber(const Status& status, const char* name) {
  const auto payload = status.GetPayload(name);
  int number = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &number)) return 0;
  return number;
}

}  // namespace

Status WithHttpStatus(Status status, int http_status) {
  status.SetPayload(kHttpStatus, absl::Cord(AbslView(std::to_string(http_status))));
  return status;
}

Status WithErrorCode(Status status, std::string_view code) {
  status.SetPayload(kErrorCode, absl::Cord(AbslView(code)));
  return status;
}

std::string ErrorCodeOf(const Status& status) {
  const auto payload = status.GetPayload(kErrorCode);
  return payload ? std::string(*payload) : std::string();
}

Status WithRetryAfter(Status status, int seconds) {
  status.SetPayload(kRetryAfter, absl::Cord(AbslView(std::to_string(seconds))));
  return status;
}

int RetryAfterOf(const Status& status) { return PayloadNumber(status, kRetryAfter); }

int HttpStatusOf(const Status& status) {
  const int chosen = PayloadNumber(status, kHttpStatus);
  if (chosen != 0) return chosen;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

}  // namespace tessera
