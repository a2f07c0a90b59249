#pragma once
// Structured blocks to passages of a size that an embedder reads well.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "extract/block.h"
#include "services/dataprep/split.h"

namespace tessera {

/// Sizes in estimated tokens of the embedder. The defaults leave room for the title and the
/// headings in MiniLM's 256.
struct ChunkerConfig {
  double tokens_max = 180;
  double tokens_min = 60;     ///< smaller sections join their neighbours under the same parent
  double overlap_tokens = 0;  ///< whole sentences repeated from the passage before; below a half
  double token_scale = 1;     ///< see EstimateTokens
};

/// A passage: `text` is exactly bytes [start, end) of the document's normalised text, which is the
/// texts of its blocks, joined by "\n" between rows of a table, items of a list and lines of code,
/// else by "\n\n".
struct TextChunk {
  std::string text;
  std::vector<std::string> headings;  ///< above it, outermost first, its own included
  std::uint32_t page = 0;             ///< where it begins; 0: the format has no pages
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  double tokens = 0;
  bool prose = true;  ///< holds neither code nor table rows
};

/// Cuts a stream of clean blocks into passages. Sections stay whole where they fit, else they are
/// cut evenly at the best places; small ones are joined; a heading never ends a passage, nor does a
/// line of a PDF that is numbered like one; a table row, a list item, a line of code are cut only
/// when alone too long. Every byte of the normalised text that is not white space lies in a
/// passage. Memory: a few passages, whatever the document. Not thread-safe.
class Chunker {
 public:
  explicit Chunker(ChunkerConfig config);
  /// Takes the next block; appends the passages that are complete to `out`.
  void Add(const Block& block, std::vector<TextChunk>& out);
  /// The document has ended.
  void Finish(std::vector<TextChunk>& out);
  /// Bytes of normalised text so far.
  std::uint64_t text_bytes() const { return base_ + window_.size(); }

 private:
  struct Unit {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    double tokens = 0;
    Cut cut = Cut::kBlock;
    bool leads = false;  // belongs to what follows: a heading, or a line that looks like one
    BlockKind kind = BlockKind::kParagraph;
    std::uint32_t page = 0;
    std::shared_ptr<const std::vector<std::string>> path;
  };
  struct Heading {
    int level = 0;
    std::string text;
  };

  void EnterHeading(const Block& block, std::vector<TextChunk>& out);
  bool MayJoin(const Block& heading) const;
  bool Leads(const Block& block) const;
  std::uint64_t AppendText(const Block& block);
  std::size_t TrailingHeadings() const;
  void CutAll(std::size_t keep, std::vector<TextChunk>& out);
  std::size_t BestCut(double target) const;
  void Emit(std::size_t units, std::vector<TextChunk>& out);
  void SetOverlap(const Unit& last);

  const ChunkerConfig config_;
  const double unit_tokens_max_;
  std::string window_;      // normalised text from base_ on: what pending units and overlap need
  std::uint64_t base_ = 0;  // offset of window_[0]
  std::vector<Unit> pending_;
  double pending_tokens_ = 0;
  std::uint64_t overlap_start_ = 0;  // where the next passage begins instead of its first unit
  bool overlap_ = false;
  std::vector<Heading> stack_;
  std::shared_ptr<const std::vector<std::string>> path_;  // the texts of stack_
  BlockKind last_kind_ = BlockKind::kParagraph;
};

/// What the embedder reads for a passage: title and headings (those not in the passage itself), an
/// empty line, the passage. The prefix has at most about `prefix_tokens_max` tokens: inner headings
/// go first.
std::string EmbeddingText(std::string_view title, const TextChunk& chunk, double prefix_tokens_max);

/// "Title > Chapter > Section" for the contract's Chunk.heading, at most 512 bytes. The title is
/// left out where it is empty or one of the headings: search knows a passage by its heading and
/// text.
std::string HeadingPath(std::string_view title, const std::vector<std::string>& headings);

}  // namespace tessera
