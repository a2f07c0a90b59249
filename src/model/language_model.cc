#include "model/language_model.h"

#include "base/str.h"
#include "net/http_error.h"

namespace tessera {

Status Busy(std::string_view what, std::uint32_t retry_after_ms) {
  const std::uint32_t seconds = (retry_after_ms + 999) / 1000;
  return WithRetryAfter(absl::ResourceExhaustedError(StrCat(what, "; try again later")),
                        static_cast<int>(seconds));
}

}  // namespace tessera
