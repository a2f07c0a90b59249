#include "model/language_model.h"

#include "absl/strings/cord.h"
#include "base/str.h"

namespace tessera {

Status Busy(std::string_view what, std::uint32_t retry_after_ms) {
  Status status = absl::ResourceExhaustedError(StrCat(what, "; try again later"));
  const std::string hint = StrCat(retry_after_ms);
  status.SetPayload(kRetryAfterPayload, absl::Cord(AbslView(hint)));
  return status;
}

}  // namespace tessera
