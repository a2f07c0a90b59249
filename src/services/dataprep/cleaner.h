#pragma once
// Blocks as they came out of a file to blocks as people read them.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "extract/block.h"

namespace tessera {

struct CleanerConfig {
  std::uint32_t pages_ahead = 8;             ///< pages held back to find what repeats on them
  std::uint64_t bytes_ahead_max = 1u << 20;  ///< and at most so much text
  std::uint32_t repeats_min = 3;             ///< pages with the same line at their edge
};

/// Cleans a stream of blocks:
/// - lines that repeat at the top or bottom of pages (running heads, "Page 3 of 9") go; the first
///   occurrence of a heading, table rows and code always stay;
/// - words hyphenated at a line's end are joined, unless the document writes them with a hyphen or
///   the hyphen looks like one of a compound;
/// - lines that were only wrapped are joined, those broken on purpose (lists, verse, addresses)
/// stay;
/// - white space is collapsed, invisible characters and the typographic ligatures fi, fl, … are
///   resolved, lines of nothing but rules or dots go. Nothing else is folded (no NFKC): the text is
///   shown and quoted. Code keeps its lines and indentation.
/// Memory is bounded by the configuration. Not thread-safe.
class Cleaner {
 public:
  explicit Cleaner(CleanerConfig config = {});
  /// Takes the next block; appends those that are ready to `out`.
  void Add(Block block, std::vector<Block>& out);
  /// The document has ended.
  void Finish(std::vector<Block>& out);

 private:
  struct Held {
    Block block;
    bool first_of_page = false;
    bool last_of_page = false;
  };
  struct Seen {
    std::uint32_t pages = 0;
    std::uint32_t last_page = 0;
    bool kept_heading = false;
  };

  void EndPage();
  void CountEdges(const Held& held);
  bool IsFurniture(std::string_view line, const Block& block);
  void DropFurniture(Held& held);
  void ReleaseFront(std::vector<Block>& out);
  void Write(Block block, std::vector<Block>& out);
  std::string JoinLines(std::string_view text);
  bool KeepsHyphen(std::string_view before, std::string_view after) const;
  void LearnWords(std::string_view text);

  const CleanerConfig config_;
  std::deque<Held> held_;
  std::uint64_t held_bytes_ = 0;
  std::size_t blocks_of_page_ = 0;
  std::unordered_map<std::uint64_t, Seen> edges_;  // by the hash of a line's pattern
  std::unordered_set<std::uint64_t> words_;        // hashes of words seen, compounds with hyphens
};

/// Collapses white space and drops what cannot be seen; keeps line breaks.
std::string TidySpaces(std::string_view text);

}  // namespace tessera
