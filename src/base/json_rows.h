#pragma once
// Lists of vectors as JSON, as embedders answer: the largest thing that is read for a request.

#include <string_view>
#include <vector>

#include "base/status.h"

namespace tessera {

/// "[[0.1, -2], [3]]" as rows, read without a document in between. INVALID_ARGUMENT, with the
/// place, when `text` is something else.
Result<std::vector<std::vector<float>>> ParseJsonRows(std::string_view text);

}  // namespace tessera
