#pragma once
// Sentences and words of running text, for extractive answers and citations. English first, but
// punctuation of other scripts ends sentences too.

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// A sentence as byte offsets in its text, without surrounding space.
struct SentenceSpan {
  std::size_t start = 0;
  std::size_t end = 0;
};

/// Splits at sentence ends and line breaks; abbreviations and numbers ("e.g.", "3.5") do not end
/// one.
std::vector<SentenceSpan> SplitSentences(std::string_view text);

/// Lower-case words without stop words, cut to their stem as far as plain suffixes go ("settings"
/// -> "setting").
std::set<std::string> ContentWords(std::string_view text);

/// Part of `wanted` that is in `found`, [0, 1]; 0 when nothing is wanted.
double Coverage(const std::set<std::string>& wanted, const std::set<std::string>& found);

}  // namespace tessera
