#pragma once
// IEEE 754 half-precision numbers: how vectors are kept. Conversion and dot products use the
// processor's instructions where it has them, chosen at run time.

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

using Half = std::uint16_t;  ///< the bits of a binary16

/// Round to nearest even; beyond 65504 becomes infinity.
Half ToHalf(float value);
float FromHalf(Half bits);

/// `values` scaled to length 1, as halves; all zero stays all zero.
std::vector<Half> NormalisedHalves(std::span<const float> values);

/// Sum of a[i] * b[i]; both have `size` elements.
float DotHalf(const float* a, const Half* b, std::size_t size);

/// Sum of a[i] * b[i] of signed bytes; `size` is a multiple of 64.
std::int32_t DotBytes(const std::int8_t* a, const std::int8_t* b, std::size_t size);

/// DotBytes of `query` with each of `rows` rows of `size` bytes that lie one after another.
void DotBytesRows(const std::int8_t* query, const std::int8_t* rows, std::size_t count,
                  std::size_t size, std::int32_t* out);

}  // namespace tessera
