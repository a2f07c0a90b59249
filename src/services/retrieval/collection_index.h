#pragma once
// What is searched: the rows of one collection in memory, words and vectors, with their visibility.

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "store/lexical_index.h"
#include "store/vector_graph.h"
#include "store/vector_rows.h"

namespace tessera {

/// A chunk as the index takes it.
struct IndexRow {
  std::int64_t chunk = 0;  ///< its row in the database
  TermCounts terms;
  std::vector<Half> vector;  ///< empty where the collection has no embedder
};

/// A chunk that may answer a query.
struct Candidate {
  std::int64_t chunk = 0;
  std::int64_t document = 0;
  float cosine = 0;
  float bm25 = 0;
  bool alone = false;        ///< its document has no other chunk
  float coverage = 0;        ///< how much of the query's words it has, by weight: 0 to about 1
  float score = 0;           ///< set by the ranking
  std::vector<Half> vector;  ///< only when asked for
};

/// Thread-safe; readers share it, a writer waits for them for about a millisecond. A document is
/// seen by a search at sequence number s when it was published at or before s and not yet removed
/// at s: so a search agrees with its snapshot of the database while writers go on.
class CollectionIndex {
 public:
  /// `built_at`: documents removed at or before this number may be missing.
  CollectionIndex(std::uint32_t dimension, std::uint64_t built_at, LexicalWeights weights = {});

  std::uint32_t dimension() const { return dimension_; }
  std::uint64_t built_at() const { return built_at_; }

  /// Adds rows of a document that is not published, or is being loaded.
  void AddRows(std::int64_t document, std::vector<IndexRow> rows);
  /// Forgets rows that were just added, by chunk.
  void DropRows(std::int64_t document, std::span<const std::int64_t> chunks);
  /// `title`: title and name, whose words find all chunks of the document.
  void Publish(std::int64_t document, std::uint64_t seq, std::string_view title);
  void Unpublish(std::int64_t document);
  void Remove(std::int64_t document, std::uint64_t seq);
  void Unremove(std::int64_t document);

  /// Documents that are seen but not in `committed` are removed at `seq`. Returns those of
  /// `committed` that are not published.
  std::vector<std::int64_t> RemoveOthers(const std::unordered_set<std::int64_t>& committed,
                                         std::uint64_t seq);

  struct Question {
    std::vector<TermId> terms;
    std::span<const float> vector;  ///< empty: words only
    bool lexical = true;
    bool semantic = true;
    std::size_t fetch = 100;                                      ///< candidates of each kind
    const std::unordered_set<std::int64_t>* documents = nullptr;  ///< only these; null: all
    bool with_vectors = false;
  };
  /// The best by words and the best by vector, each once, with both figures; unordered.
  std::vector<Candidate> Search(std::uint64_t seq, const Question& question) const;

  /// Rows from which a graph can be made; copies.
  std::vector<GraphRow> RowsForGraph() const;
  /// From now on rows below `rows` are found through the graph, unless the search is filtered; the
  /// others by looking at all of them.
  void SetGraph(std::unique_ptr<VectorGraph> graph, std::uint32_t rows);
  std::uint32_t padded_dimension() const { return vectors_.padded_dimension(); }

  struct Size {
    std::uint64_t rows = 0;
    std::uint64_t dead_rows = 0;   ///< of removed documents
    std::uint64_t graph_rows = 0;  ///< found through the graph
    std::uint64_t memory = 0;
  };
  Size size() const;
  /// About what a row with `terms` distinct terms costs.
  static std::uint64_t RowBytes(std::uint32_t dimension, std::size_t terms);

 private:
  static constexpr std::uint64_t kNever = UINT64_MAX;
  struct Slot {
    std::int64_t document = 0;
    std::uint64_t published = kNever;
    std::uint64_t removed = kNever;
    std::uint32_t rows = 0;
    bool titled = false;
  };
  std::uint32_t SlotOf(std::int64_t document);
  std::vector<bool> VisibleSlots(std::uint64_t seq, const Question& question) const;
  std::vector<Scored> Nearest(const VectorRows::Query& query, std::size_t k,
                              const std::vector<bool>& visible, bool filtered) const;
  std::vector<Scored> BestByWords(const std::vector<float>& scores, std::size_t k,
                                  const std::vector<bool>& visible) const;

  const std::uint32_t dimension_;
  const std::uint64_t built_at_;
  mutable absl::Mutex mutex_;
  LexicalIndex lexical_;
  VectorRows vectors_;
  std::unique_ptr<VectorGraph> graph_;  // refers to vectors_
  std::uint32_t graph_rows_ = 0;
  std::vector<std::int64_t> chunk_of_row_;
  std::vector<std::uint32_t> slot_of_row_;  // slot 0 is never visible
  std::vector<Slot> slots_;
  std::unordered_map<std::int64_t, std::uint32_t> slot_of_document_;
  std::uint64_t dead_rows_ = 0;
};

}  // namespace tessera
