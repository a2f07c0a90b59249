#pragma once
// "Did you mean …?" for mistyped keys, options and sub-commands.

#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// The candidate nearest to `word` (Damerau-Levenshtein, letter case aside), or "" when none is
/// near enough to be meant.
std::string NearestWord(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace tessera
