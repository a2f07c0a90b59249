#pragma once
// Vectors in memory, one a row, searched by an exact scan: bytes first, then halves for the best.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "store/half.h"

namespace tessera {

/// A row and how well it fits.
struct Scored {
  std::uint32_t row;
  float score;
};
/// A vector as bytes, times a scale of its own.
struct ByteVector {
  const std::int8_t* bytes = nullptr;
  float scale = 0;
};
inline bool operator<(const Scored& a, const Scored& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;  // best first
}

/// Vectors of length 1 in rows 0, 1, 2 …: halves, and bytes with a scale of their own for the scan.
/// Rows stay where they are when others are added. Not thread-safe: readers may share it, a writer
/// is alone.
class VectorRows {
 public:
  explicit VectorRows(std::uint32_t dimension);

  std::uint32_t dimension() const { return dimension_; }
  std::uint32_t rows() const { return rows_; }
  /// What rows cost, blocks not yet full included.
  std::uint64_t memory() const;
  static std::uint64_t BytesPerRow(std::uint32_t dimension);

  /// `halves` has length 1 (see NormalisedHalves) or is all zero.
  void Add(std::span<const Half> halves);

  /// A query made ready: normalised, and as bytes.
  struct Query {
    std::vector<float> values;
    std::vector<std::int8_t> bytes;
    float scale = 0;
  };
  Query Prepare(std::span<const float> values) const;

  /// The cosine to a row, exact to half precision.
  float Cosine(const Query& query, std::uint32_t row) const;
  /// A view that holds until the rows are gone.
  std::span<const Half> Row(std::uint32_t row) const { return {HalvesOf(row), dimension_}; }

  /// The `k` rows from `first` on with the greatest cosine among those that `wanted` accepts, best
  /// first. Every row is looked at; the bytes choose the candidates that are compared exactly.
  std::vector<Scored> Nearest(const Query& query, std::size_t k,
                              absl::FunctionRef<bool(std::uint32_t)> wanted,
                              std::uint32_t first = 0) const;

  /// A row as bytes, padded_dimension() of them. They stay where they are while this lives.
  ByteVector BytesAt(std::uint32_t row) const { return {BytesOf(row), ScaleOf(row)}; }
  std::uint32_t padded_dimension() const { return padded_; }

 private:
  static constexpr std::uint32_t kBlockRows = 1024;
  struct Block {
    std::unique_ptr<std::int8_t[]> bytes;
    std::unique_ptr<Half[]> halves;
    std::unique_ptr<float[]> scales;
  };
  const std::int8_t* BytesOf(std::uint32_t row) const {
    return blocks_[row / kBlockRows].bytes.get() + std::size_t{row % kBlockRows} * padded_;
  }
  const Half* HalvesOf(std::uint32_t row) const {
    return blocks_[row / kBlockRows].halves.get() + std::size_t{row % kBlockRows} * dimension_;
  }
  float ScaleOf(std::uint32_t row) const {
    return blocks_[row / kBlockRows].scales[row % kBlockRows];
  }

  const std::uint32_t dimension_;
  const std::uint32_t padded_;  // dimension, rounded up for the byte kernels
  std::uint32_t rows_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace tessera
