#include "store/half.h"

#include <bit>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tessera {
namespace {

float DotHalfPlain(const float* a, const Half* b, std::size_t size) {
  float sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += a[i] * FromHalf(b[i]);
  return sum;
}

void DotRowsPlain(const std::int8_t* query, const std::int8_t* rows, std::size_t count,
                  std::size_t size, std::int32_t* out) {
  for (std::size_t row = 0; row < count; ++row) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < size; ++i) sum += query[i] * rows[row * size + i];
    out[row] = sum;
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma,f16c"))) float DotHalfAvx2(const float* a, const Half* b,
                                                           std::size_t size) {
  __m256 sum = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    const __m256 wide = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b + i)));
    sum = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), wide, sum);
  }
  float lanes[8];
  _mm256_storeu_ps(lanes, sum);
  float total = 0;
  for (const float lane : lanes) total += lane;
  for (; i < size; ++i) total += a[i] * FromHalf(b[i]);
  return total;
}

__attribute__((target("avx2"))) void DotRowsAvx2(const std::int8_t* query, const std::int8_t* rows,
                                                 std::size_t count, std::size_t size,
                                                 std::int32_t* out) {
  for (std::size_t row = 0; row < count; ++row) {
    const std::int8_t* bytes = rows + row * size;
    __m256i sum = _mm256_setzero_si256();
    for (std::size_t i = 0; i < size; i += 16) {
      const __m256i a =
          _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query + i)));
      const __m256i b =
          _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i)));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
    }
    std::int32_t lanes[8];
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sum);
    out[row] =
        lanes[0] + lanes[1] + lanes[2] + lanes[3] + lanes[4] + lanes[5] + lanes[6] + lanes[7];
  }
}

__attribute__((target("avx512bw,avx512f"))) void DotRowsAvx512(const std::int8_t* query,
                                                               const std::int8_t* rows,
                                                               std::size_t count, std::size_t size,
                                                               std::int32_t* out) {
  for (std::size_t row = 0; row < count; ++row) {
    const std::int8_t* bytes = rows + row * size;
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t i = 0; i < size; i += 32) {
      const __m512i a =
          _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(query + i)));
      const __m512i b =
          _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + i)));
      sum = _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
    }
    out[row] = _mm512_reduce_add_epi32(sum);
  }
}
#endif

struct Kernels {
  decltype(&DotHalfPlain) dot_half = DotHalfPlain;
  decltype(&DotRowsPlain) dot_rows = DotRowsPlain;

  Kernels() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2");
    // GCC and clang 19 have no name for F16C here; every processor with AVX2 has it.
    if (avx2 && __builtin_cpu_supports("fma")) dot_half = DotHalfAvx2;
    if (avx2) dot_rows = DotRowsAvx2;
    if (__builtin_cpu_supports("avx512bw")) dot_rows = DotRowsAvx512;
#endif
  }
};

const Kernels& Chosen() {
  static const Kernels kernels;
  return kernels;
}

}  // namespace

Half ToHalf(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000;
  const std::uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000)  // infinity, NaN
    return static_cast<Half>(sign | 0x7c00 | (magnitude > 0x7f800000 ? 0x200 : 0));
  if (magnitude >= 0x477ff000) return static_cast<Half>(sign | 0x7c00);
  if (magnitude < 0x38800000) {  // subnormal: in steps of 2^-24
    const float steps = std::bit_cast<float>(magnitude) * 16777216.0f;
    return static_cast<Half>(sign | static_cast<std::uint32_t>(std::nearbyint(steps)));
  }
  const std::uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return static_cast<Half>(sign | ((rounded - 0x38000000) >> 13));
}

float FromHalf(Half bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1f;
  const std::uint32_t fraction = bits & 0x3ff;
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) / 16777216.0f;
    return sign != 0 ? -value : value;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | (fraction << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

std::vector<Half> NormalisedHalves(std::span<const float> values) {
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * value;
  const double factor = squares > 0 ? 1.0 / std::sqrt(squares) : 0.0;
  std::vector<Half> halves(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    halves[i] = ToHalf(static_cast<float>(values[i] * factor));
  return halves;
}

float DotHalf(const float* a, const Half* b, std::size_t size) {
  return Chosen().dot_half(a, b, size);
}

std::int32_t DotBytes(const std::int8_t* a, const std::int8_t* b, std::size_t size) {
  std::int32_t out = 0;
  Chosen().dot_rows(a, b, 1, size, &out);
  return out;
}

void DotBytesRows(const std::int8_t* query, const std::int8_t* rows, std::size_t count,
                  std::size_t size, std::int32_t* out) {
  Chosen().dot_rows(query, rows, count, size, out);
}

}  // namespace tessera
