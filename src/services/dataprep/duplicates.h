#pragma once
// Finds passages of a document that say again what an earlier one said.

#include <array>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace tessera {

/// Remembers passages and tells which are repetitions. Within one document only: a passage that
/// another document has too stays in both, else deleting one would take it from the other.
///
/// Exact: the same words, case and white space aside. Near: at least kNearAgreeing of kHashes
/// MinHash values over word 3-shingles agree, an estimated Jaccard similarity of 0.95 (standard
/// error 0.03), *and* the numbers in both are the same ones: so rows that differ in a value, or the
/// same sentence about another version, are never taken for repetitions. Near repetitions are
/// looked for in prose of 40 words or more only. Memory: about 40 bytes a passage for the first
/// million, 1 KB for each of the last 20,000. Not thread-safe.
class DuplicateFilter {
 public:
  /// True when an earlier passage said the same; else the passage is remembered. `prose`: neither
  /// code nor table rows.
  bool SeenBefore(std::string_view text, bool prose);

 private:
  static constexpr std::size_t kHashes = 64;
  static constexpr std::size_t kBands =
      16;  // 4 values each: finds 0.95 with probability 1 - 10^-12
  static constexpr std::size_t kNearAgreeing = 61;
  static constexpr std::size_t kNearKept = 20'000;
  static constexpr std::size_t kExactKept = 1'000'000;

  struct Signature {
    std::array<std::uint32_t, kHashes> minima;
    std::uint64_t numbers = 0;  // hash of the numbers, in order
    std::array<std::uint64_t, kBands> bands;
  };
  bool NearSeen(const std::vector<std::uint64_t>& words, std::uint64_t numbers);
  void Remember(Signature signature);

  std::unordered_set<std::uint64_t> exact_;
  std::unordered_map<std::uint64_t, std::uint64_t> by_band_;  // to the number of a signature
  std::deque<Signature> signatures_;
  std::uint64_t first_ = 0;  // number of signatures_[0]
};

}  // namespace tessera
