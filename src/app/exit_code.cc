#include "app/exit_code.h"

#include <cstdio>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"

namespace tessera {
namespace {

constexpr char kPayload[] = "tessera.exit_code";

}  // namespace

Status WithExitCode(Status status, ExitCode code) {
  const std::string text = std::to_string(static_cast<int>(code));
  status.SetPayload(kPayload, absl::Cord(absl::string_view(text)));
  return status;
}

ExitCode ExitCodeOf(const Status& status) {
  int code = 0;
  if (const auto payload = status.GetPayload(kPayload);
      payload && absl::SimpleAtoi(std::string(*payload), &code))
    return static_cast<ExitCode>(code);
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kCancelled:
      return ExitCode::kInterrupted;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return ExitCode::kUnreachable;
    case absl::StatusCode::kFailedPrecondition:
      return ExitCode::kDataFolder;
    default:
      return ExitCode::kFailed;
  }
}

ExitCode Fail(const Status& status) {
  std::fprintf(stderr, "tessera: %s\n", std::string(status.message()).c_str());
  return ExitCodeOf(status);
}

ExitCode FailCall(const Status& status) {
  return Fail(absl::IsFailedPrecondition(status) ? WithExitCode(status, ExitCode::kFailed)
                                                 : status);
}

}  // namespace tessera
