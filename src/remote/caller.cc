#include "remote/caller.h"

namespace tessera {
namespace {

constexpr char kFatePayload[] = "tessera.call_fate";

}  // namespace

Status WithFate(Status status, CallFate fate) {
  if (fate != CallFate::kAnswered) {
    status.SetPayload(kFatePayload, absl::Cord(fate == CallFate::kUnsent ? "unsent" : "lost"));
  }
  return status;
}

CallFate FateOf(const Status& status) {
  const auto payload = status.GetPayload(kFatePayload);
  if (!payload) return CallFate::kAnswered;
  return *payload == "unsent" ? CallFate::kUnsent : CallFate::kLost;
}

}  // namespace tessera
