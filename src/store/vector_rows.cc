#include "store/vector_rows.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"

namespace tessera {
namespace {

// The bytes' error is about 0.5 % of a vector's length: a margin of this many candidates keeps
// recall@10 at 1.0 on real embeddings (see the bench).
constexpr std::size_t kMargin = 64;

float ToBytes(const float* values, std::size_t size, std::int8_t* out) {
  float most = 0;
  for (std::size_t i = 0; i < size; ++i) most = std::max(most, std::abs(values[i]));
  if (most == 0) {
    std::fill(out, out + size, std::int8_t{0});
    return 0;
  }
  const float factor = 127.0f / most;
  for (std::size_t i = 0; i < size; ++i)
    out[i] = static_cast<std::int8_t>(std::lround(values[i] * factor));
  return most / 127.0f;
}

}  // namespace

VectorRows::VectorRows(std::uint32_t dimension)
    : dimension_(dimension), padded_((dimension + 63) / 64 * 64) {}

std::uint64_t VectorRows::BytesPerRow(std::uint32_t dimension) {
  return (dimension + 63) / 64 * 64 + dimension * sizeof(Half) + sizeof(float);
}

std::uint64_t VectorRows::memory() const {
  return blocks_.size() * kBlockRows * BytesPerRow(dimension_);
}

void VectorRows::Add(std::span<const Half> halves) {
  CHECK(halves.size() == dimension_);
  if (rows_ % kBlockRows == 0) {
    Block block;
    block.bytes = std::make_unique<std::int8_t[]>(std::size_t{kBlockRows} * padded_);
    block.halves = std::make_unique<Half[]>(std::size_t{kBlockRows} * dimension_);
    block.scales = std::make_unique<float[]>(kBlockRows);
    blocks_.push_back(std::move(block));
  }
  Block& block = blocks_.back();
  const std::size_t at = rows_ % kBlockRows;
  std::copy(halves.begin(), halves.end(), block.halves.get() + at * dimension_);
  std::vector<float> values(dimension_);
  for (std::size_t i = 0; i < dimension_; ++i) values[i] = FromHalf(halves[i]);
  block.scales[at] = ToBytes(values.data(), dimension_, block.bytes.get() + at * padded_);
  ++rows_;
}

VectorRows::Query VectorRows::Prepare(std::span<const float> values) const {
  CHECK(values.size() == dimension_);
  Query query;
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * value;
  const double factor = squares > 0 ? 1.0 / std::sqrt(squares) : 0.0;
  query.values.resize(dimension_);
  for (std::size_t i = 0; i < dimension_; ++i)
    query.values[i] = static_cast<float>(values[i] * factor);
  query.bytes.resize(padded_);
  query.scale = ToBytes(query.values.data(), dimension_, query.bytes.data());
  return query;
}

float VectorRows::Cosine(const Query& query, std::uint32_t row) const {
  return DotHalf(query.values.data(), HalvesOf(row), dimension_);
}

std::vector<Scored> VectorRows::Nearest(const Query& query, std::size_t k,
                                        absl::FunctionRef<bool(std::uint32_t)> wanted,
                                        std::uint32_t first) const {
  if (k == 0 || first >= rows_) return {};
  const std::size_t keep = k + std::max(kMargin, k);
  std::vector<Scored> best;  // a heap whose front is the worst once it is full
  best.reserve(keep + 1);
  std::int32_t dots[kBlockRows];
  for (std::uint32_t begin = first / kBlockRows * kBlockRows; begin < rows_; begin += kBlockRows) {
    const Block& block = blocks_[begin / kBlockRows];
    const std::uint32_t count = std::min(kBlockRows, rows_ - begin);
    DotBytesRows(query.bytes.data(), block.bytes.get(), count, padded_, dots);
    for (std::uint32_t i = begin < first ? first - begin : 0; i < count; ++i) {
      const Scored scored{begin + i, static_cast<float>(dots[i]) * block.scales[i]};
      if (best.size() >= keep && !(scored < best.front())) continue;
      if (!wanted(scored.row)) continue;
      best.push_back(scored);
      std::push_heap(best.begin(), best.end());
      if (best.size() > keep) {
        std::pop_heap(best.begin(), best.end());
        best.pop_back();
      }
    }
  }
  for (Scored& scored : best) scored.score = Cosine(query, scored.row);
  std::sort(best.begin(), best.end());
  if (best.size() > k) best.resize(k);
  return best;
}

}  // namespace tessera
