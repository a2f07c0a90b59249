#include "edge/stream_end.h"

#include <utility>

#include "base/str.h"

namespace tessera {
namespace {
constexpr absl::string_view kTold = "tessera/told";
}

void StreamEnd::Told(Status status) {
  reached_ = true;
  status_ = std::move(status);
  status_.SetPayload(kTold, absl::Cord());
}

Result<std::optional<std::string>> StreamEnd::Next() const {
  if (!status_.ok()) return status_;
  return std::optional<std::string>();
}

bool StreamEnd::WasTold(const Status& status) { return status.GetPayload(kTold).has_value(); }

}  // namespace tessera
