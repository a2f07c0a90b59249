#pragma once
// Citations: which passage a piece of the answer rests on.

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/orchestration/value.h"
#include "tessera/v1/orchestration.pb.h"

namespace tessera {

/// A citation of bytes [start, end) of a hit's chunk text.
v1::Citation Cite(const v1::Hit& hit, std::uint32_t number, std::size_t start, std::size_t end);

/// Puts [n] behind the sentences of a text that is being written, where a passage says the same
/// words; keeps the [n] that the writer set itself if there is such a passage, and drops them if
/// not. One use a text; not thread-safe.
class SentenceCiter {
 public:
  /// `offset`: code points of the answer that were sent before.
  SentenceCiter(const Passages& passages, std::uint32_t offset);

  /// Takes the next piece of the text and returns what can be sent now.
  std::string Add(std::string_view piece);
  /// The rest, at the end of the text.
  std::string Finish();

  /// All that were set, in the order of the text. `number` is the passage's position, from 1.
  const std::vector<v1::Citation>& citations() const { return citations_; }

 private:
  void TakeMark(std::string_view mark, std::string& out);
  void EndSentence(std::string& out);
  void AddCitation(std::size_t passage, std::string& out);
  void Emit(std::string_view text, std::string& out);

  const Passages& passages_;
  std::vector<std::set<std::string>> words_;  // of the passages
  std::string held_;  // from a '[' that may become a mark, or a sentence's last mark on
  std::string sentence_;
  bool cited_ = false;         // the sentence has a mark already
  bool dropped_mark_ = false;  // the last mark repeated one of ours
  std::uint32_t sent_;
  std::vector<v1::Citation> citations_;
};

}  // namespace tessera
