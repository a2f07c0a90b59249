#include "services/orchestration/step.h"

namespace tessera {

std::uint32_t CodePoints(std::string_view text) {
  std::uint32_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

void RunShared::Note(const v1::GenerateEvent& event) {
  std::lock_guard lock(mutex_);
  if (event.has_usage()) {
    v1::Usage* usage = last.mutable_usage();
    usage->set_prompt_tokens(usage->prompt_tokens() + event.usage().prompt_tokens());
    usage->set_completion_tokens(usage->completion_tokens() + event.usage().completion_tokens());
    usage->set_cached_tokens(usage->cached_tokens() + event.usage().cached_tokens());
  }
  if (event.finish_reason() != v1::FINISH_REASON_UNSPECIFIED)
    last.set_finish_reason(event.finish_reason());
}

Task<Status> SendText(Ctx ctx, RunShared* shared, std::string text) {
  if (text.empty()) co_return absl::OkStatus();
  shared->answer_code_points += CodePoints(text);
  v1::RunEvent event;
  event.set_text(std::move(text));
  co_return co_await shared->events->Send(std::move(ctx), std::move(event));
}

Task<Status> SendStep(Ctx ctx, RunShared* shared, std::string step) {
  if (shared->request.answer_only()) co_return absl::OkStatus();
  v1::RunEvent event;
  event.set_step(std::move(step));
  co_return co_await shared->events->Send(std::move(ctx), std::move(event));
}

}  // namespace tessera
