#pragma once
// Words in memory: postings of every row (a chunk) and every group (a document), scored by BM25.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/text_terms.h"

namespace tessera {

/// A chunk's words, counted once and kept beside it, so that the index is rebuilt without reading
/// the text.
struct TermCounts {
  struct Entry {
    TermId term;
    std::uint8_t body;
    std::uint8_t heading;
  };
  std::vector<Entry> entries;  ///< by term, each once
  std::uint16_t body_length = 0;
  std::uint16_t heading_length = 0;

  static TermCounts Of(std::string_view body, std::string_view heading);
  std::string Encode() const;
  /// False when `bytes` were not made by Encode().
  static bool Decode(std::string_view bytes, TermCounts& counts);
};

/// The weights of BM25. Chosen on half of the questions in tests/quality; the other half is the
/// test.
struct LexicalWeights {
  float k1 = 1.2f;
  float b = 0.6f;
  float heading = 2.0f;  ///< a word in the heading counts as this many in the body
  float title = 0.2f;    ///< a word in the title or name of the document, beside its chunks
  float title_b = 0.5f;
};

/// Not thread-safe: readers may share it, a writer is alone. Rows and groups are numbered 0, 1, 2 …
/// by the caller, in order.
class LexicalIndex {
 public:
  explicit LexicalIndex(LexicalWeights weights = {}) : weights_(weights) {}

  /// Adds row number rows().
  void AddRow(std::uint32_t group, const TermCounts& counts);
  /// Sets the words of a group's title and name; once a group.
  void SetTitle(std::uint32_t group, std::string_view title);

  std::uint32_t rows() const { return static_cast<std::uint32_t>(rows_.size()); }
  std::uint64_t memory() const { return memory_; }

  /// The score of every row for the query, 0 where none of its words occur. `scores` is resized to
  /// rows().
  void Score(std::span<const TermId> terms, std::vector<float>& scores) const;
  /// The score that a text full of the query's words would come near to: what Score() gives,
  /// divided by it, says how much of the query a row covers. 0 when none of the words is known.
  float Most(std::span<const TermId> terms) const;

 private:
  struct Posting {
    std::uint32_t row;
    std::uint8_t body;
    std::uint8_t heading;
  };
  struct TitlePosting {
    std::uint32_t group;
    std::uint16_t count;
    std::uint16_t length;
  };
  struct Row {
    std::uint32_t group;
    std::uint16_t body_length;
    std::uint16_t heading_length;
  };

  LexicalWeights weights_;
  std::unordered_map<TermId, std::vector<Posting>> postings_;
  std::unordered_map<TermId, std::vector<TitlePosting>> titles_;
  std::vector<Row> rows_;
  std::uint32_t groups_ = 0;
  std::uint64_t body_total_ = 0;
  std::uint64_t title_total_ = 0;
  std::uint64_t memory_ = 0;
};

}  // namespace tessera
