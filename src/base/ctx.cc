#include "base/ctx.h"

#include "base/ids.h"

namespace tessera {

bool Principal::MayUse(std::string_view scope) const {
  for (const std::string& held : scopes) {
    if (held == "*" || held == scope) return true;
  }
  return false;
}

const RequestInfo& Ctx::Nobody() {
  static const RequestInfo nobody;
  return nobody;
}

Status Ctx::Check() const {
  if (cancel_.cancelled()) return cancel_.status();
  if (has_deadline() && Now() >= deadline_) {
    return absl::DeadlineExceededError("the deadline of the call has passed");
  }
  return absl::OkStatus();
}

Ctx Ctx::WithDeadline(SteadyTime deadline) const {
  Ctx copy = *this;
  copy.TightenDeadline(deadline);
  return copy;
}

Ctx Ctx::WithCancel(CancelToken cancel) const {
  Ctx copy = *this;
  copy.cancel_ = std::move(cancel);
  return copy;
}

Ctx Ctx::WithSpan(std::uint64_t span_id) const {
  Ctx copy = *this;
  copy.span_id_ = span_id;
  return copy;
}

Ctx SystemCtx(CancelToken cancel) {
  auto info = std::make_shared<RequestInfo>();
  info->request_id = Hex(RandomId());
  info->principal.id = "system";
  info->principal.scopes = {"*"};
  info->trace = TraceId{RandomId(), RandomId(), false};
  return Ctx(std::move(info), std::move(cancel));
}

}  // namespace tessera
