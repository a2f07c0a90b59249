#pragma once
// Rows of a table as text.

#include <string>
#include <vector>

namespace tessera {

/// "header: value; header: value" of the cells that are not empty; without a header "a | b | c".
std::string RowText(const std::vector<std::string>& header, const std::vector<std::string>& cells);

/// Whether a first row reads like column names: short, none empty but the first, none a number.
bool LooksLikeHeader(const std::vector<std::string>& cells);

}  // namespace tessera
