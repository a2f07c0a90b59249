#include "remote/caller.h"

namespace tessera {
namespace {

constexpr char kFatePayload[] = "tessera.call_fate";

}  // namespace

Status WithFate(Status status, CallFate fate) {
  const char letter = static_cast<char>('0' + static_cast<int>(fate));
  status.SetPayload(kFatePayload, absl::Cord(absl::string_view(&letter, 1)));
  return status;
}

CallFate FateOf(const Status& status) {
  const auto payload = status.GetPayload(kFatePayload);
  if (!payload || payload->empty()) return CallFate::kAnswered;
  return static_cast<CallFate>((*payload)[0] - '0');
}

}  // namespace tessera
