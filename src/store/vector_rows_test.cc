#include "store/vector_rows.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(HalfTest, EveryHalfSurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = FromHalf(static_cast<Half>(bits));
    if (std::isnan(value)) continue;
    ASSERT_EQ(ToHalf(value), bits) << value;
  }
  EXPECT_EQ(ToHalf(65519.0f), 0x7bff);  // the greatest that rounds down to 65504
  EXPECT_EQ(ToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FromHalf(ToHalf(1.0f / 3)), 0.333251953125f);
}

TEST(HalfTest, KernelsAgreeWithPlainSums) {
  std::mt19937 random(3);
  for (const std::size_t size : {64u, 128u, 384u, 1024u}) {
    std::vector<std::int8_t> query(size);
    std::vector<std::int8_t> rows(5 * size);
    for (auto& value : query)
      value = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
    for (auto& value : rows)
      value = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
    std::int32_t out[5];
    DotBytesRows(query.data(), rows.data(), 5, size, out);
    for (std::size_t row = 0; row < 5; ++row) {
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < size; ++i) sum += query[i] * rows[row * size + i];
      EXPECT_EQ(out[row], sum);
    }
  }
  for (const std::size_t size : {1u, 7u, 8u, 33u, 384u}) {
    std::vector<float> a(size);
    std::vector<Half> b(size);
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      a[i] = static_cast<float>(random() % 100) / 50 - 1;
      b[i] = ToHalf(static_cast<float>(random() % 100) / 50 - 1);
      sum += static_cast<double>(a[i]) * FromHalf(b[i]);
    }
    EXPECT_NEAR(DotHalf(a.data(), b.data(), size), sum, 1e-3);
  }
}

TEST(VectorRowsTest, NearestIsWhatBruteForceFinds) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (const std::uint32_t dimension : {3u, 100u, 384u}) {
    VectorRows rows(dimension);
    std::vector<std::vector<float>> vectors(2500, std::vector<float>(dimension));
    for (auto& vector : vectors) {
      for (float& value : vector) value = normal(random);
      rows.Add(NormalisedHalves(vector));
    }
    const auto wanted = [](std::uint32_t row) { return row % 3 != 0; };
    for (int round = 0; round < 5; ++round) {
      std::vector<float> question(dimension);
      for (float& value : question) value = normal(random);
      const VectorRows::Query query = rows.Prepare(question);
      std::vector<Scored> exact;
      for (std::uint32_t row = 700; row < rows.rows(); ++row)
        if (wanted(row)) exact.push_back({row, rows.Cosine(query, row)});
      std::sort(exact.begin(), exact.end());
      const auto found = rows.Nearest(query, 10, wanted, 700);
      ASSERT_EQ(found.size(), 10u);
      for (int i = 0; i < 10; ++i) EXPECT_EQ(found[i].row, exact[i].row);
    }
  }
}

TEST(VectorRowsTest, ZeroVectorsAreNearNothing) {
  VectorRows rows(4);
  rows.Add(NormalisedHalves(std::vector<float>{0, 0, 0, 0}));
  rows.Add(NormalisedHalves(std::vector<float>{0, 2, 0, 0}));
  const VectorRows::Query query = rows.Prepare(std::vector<float>{0, 1, 0, 0});
  const auto found = rows.Nearest(query, 5, [](std::uint32_t) { return true; });
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].row, 1u);
  EXPECT_NEAR(found[0].score, 1, 1e-3);
  EXPECT_EQ(found[1].score, 0);
}

}  // namespace
}  // namespace tessera
