#pragma once
// Where a text stops being JSON. Slow and small: runs only after the fast parser has refused.

#include <string_view>

#include "base/status.h"

namespace tessera {

/// INVALID_ARGUMENT "bad JSON at line 3, column 14: expected ',' or '}'". `reason` is said instead
/// when the text is found to be JSON after all (too deep, for example).
Status LocateJsonError(std::string_view text, std::string_view reason);

/// Offset of the first byte that cannot be part of a JSON text, with what was expected there; OK
/// when all of `text` is one JSON value.
struct JsonFault {
  bool found = false;
  std::size_t offset = 0;
  std::string_view expected;
};
JsonFault FindJsonFault(std::string_view text);

}  // namespace tessera
