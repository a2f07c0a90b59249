#pragma once
// A graph over many vectors (HNSW, Malkov and Yashunin 2018) for search without looking at all of
// them. hnswlib stays inside vector_graph.cc.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "store/vector_rows.h"

namespace tessera {

/// A row to be found through the graph: its lasting key, and where it is in memory now.
struct GraphRow {
  std::int64_t key = 0;
  std::uint32_t row = 0;
  ByteVector vector;
};

/// Refers to the bytes of VectorRows, which must outlive it. Add from one thread; once built, any
/// number of threads may search.
class VectorGraph {
 public:
  /// `dimension` is VectorRows::padded_dimension().
  VectorGraph(std::uint32_t dimension, std::size_t capacity);
  ~VectorGraph();
  VectorGraph(const VectorGraph&) = delete;

  bool Contains(std::int64_t key) const;
  /// About a millisecond.
  void Add(const GraphRow& row);
  std::size_t size() const;
  /// What the links cost; the vectors are not counted.
  std::uint64_t memory() const;

  /// About `k` of the nearest rows, not ordered; `score` is the cosine of the bytes.
  std::vector<Scored> Nearest(ByteVector query, std::size_t k) const;

  /// Writes `path` (and `path`.sum) so that a crash leaves the old files or the new.
  Status Save(const std::string& path) const;
  /// `find` says where a key is now; keys it does not know are never found again. DATA_LOSS when
  /// the file is damaged or of another form: build the graph anew. NOT_FOUND when there is none.
  static Result<std::unique_ptr<VectorGraph>> Load(
      const std::string& path, std::uint32_t dimension, std::size_t capacity,
      const std::function<std::optional<GraphRow>(std::int64_t key)>& find);

 private:
  struct Graph;
  explicit VectorGraph(std::unique_ptr<Graph> graph);
  std::unique_ptr<Graph> graph_;
};

}  // namespace tessera
