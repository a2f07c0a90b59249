#include "services/orchestration/step.h"

namespace tessera {

std::uint32_t CodePoints(std::string_view text) {
  std::uint32_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

Task<Status> SendText(Ctx ctx, RunShared* shared, std::string text) {
  if (text.empty()) co_return absl::OkStatus();
  shared->answer_code_points += CodePoints(text);
  v1::RunEvent event;
  event.set_text(std::move(text));
  co_return co_await shared->events->Send(std::move(ctx), std::move(event));
}

Task<Status> SendStep(Ctx ctx, RunShared* shared, std::string step) {
  v1::RunEvent event;
  event.set_step(std::move(step));
  co_return co_await shared->events->Send(std::move(ctx), std::move(event));
}

}  // namespace tessera
