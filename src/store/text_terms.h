#pragma once
// Words of a text as a search index sees them: folded to lower case without accents, stemmed, and
// hashed.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

namespace tessera {

/// A word's stem, hashed. Two different stems share a number once in about 100,000 distinct words,
/// which costs a wrong match of one word and nothing else.
using TermId = std::uint32_t;

/// Changes whenever a text would give other terms than before: what was stored is then made anew.
inline constexpr int kTermsVersion = 1;

/// Calls `sink` for every term of `text` in order. Letters and digits form words; a word joined by
/// "_", "-" or "." inside (`pg_stat_activity`) gives its parts and then the whole (`compound`).
/// Runs of Chinese, Japanese and Korean characters give pairs of neighbours. Bad UTF-8 separates
/// words.
void ForEachTerm(std::string_view text, absl::FunctionRef<void(TermId id, bool compound)> sink);

/// The distinct terms of a query, stop words dropped unless there is nothing else. At most
/// `terms_max`.
std::vector<TermId> QueryTerms(std::string_view query, std::size_t terms_max = 64);

/// The stem of a lower-case English word (Porter, "An algorithm for suffix stripping", 1980).
std::string Stem(std::string word);

bool IsStopWord(std::string_view lower_case_word);

}  // namespace tessera
