// Words of any bytes: a text finds itself, its counts survive being stored, and stored counts that
// are damaged are refused or harmless.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "store/lexical_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::size_t terms = 0;
  std::size_t compounds = 0;
  ForEachTerm(text, [&](TermId, bool compound) { ++(compound ? compounds : terms); });
  CHECK(terms <= size && compounds <= terms);
  const std::vector<TermId> query = QueryTerms(text);
  CHECK(query.size() <= 64);

  const std::size_t half = size / 2;
  const TermCounts counts = TermCounts::Of(text.substr(half), text.substr(0, half));
  CHECK(std::is_sorted(counts.entries.begin(), counts.entries.end(),
                       [](const auto& a, const auto& b) { return a.term < b.term; }));
  TermCounts stored;
  CHECK(TermCounts::Decode(counts.Encode(), stored));
  CHECK(stored.Encode() == counts.Encode());

  LexicalIndex index;
  index.AddRow(0, TermCounts::Of(text, ""));
  index.SetTitle(0, text.substr(0, half));
  if (TermCounts damaged; TermCounts::Decode(text, damaged)) index.AddRow(0, damaged);
  std::vector<float> scores;
  index.Score(query, scores);
  CHECK(scores.size() == index.rows());
  for (const float score : scores) CHECK(score >= 0 && score < 1e6f);
  return 0;
}
