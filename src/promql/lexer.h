#pragma once
// Words of the query language.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tessera {

struct PromToken {
  enum class Kind : unsigned char { kEnd, kWord, kNumber, kDuration, kString, kSign };
  Kind kind = Kind::kEnd;
  std::string text;  ///< a string's without quotes and escapes
  std::size_t at = 0;
};

/// Ends with kEnd. INVALID_ARGUMENT with the place.
Result<std::vector<PromToken>> ReadPromTokens(std::string_view text);
/// "1:5: parse error: …", as Prometheus says it.
Status PromError(std::string_view text, std::size_t at, std::string_view what);

}  // namespace tessera
