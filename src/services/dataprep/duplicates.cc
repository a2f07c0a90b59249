#include "services/dataprep/duplicates.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "services/dataprep/hash.h"

namespace tessera {
namespace {

constexpr std::size_t kNearWordsMin = 40;

struct Words {
  std::vector<std::uint64_t> hashes;
  std::uint64_t numbers = 0;
};

std::uint64_t Mix(std::uint64_t x) {  // splitmix64's finaliser
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

Words Read(std::string_view text) {
  Words words;
  std::string word;
  const auto end_word = [&words, &word] {
    if (word.empty()) return;
    const std::uint64_t hash = HashBytes(word);
    words.hashes.push_back(hash);
    const bool number = std::any_of(word.begin(), word.end(), [](char c) {
      return absl::ascii_isdigit(static_cast<unsigned char>(c));
    });
    if (number) words.numbers = Mix(words.numbers ^ hash);
    word.clear();
  };
  for (const char c : text) {
    if (absl::ascii_isspace(static_cast<unsigned char>(c)))
      end_word();
    else
      word.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  end_word();
  return words;
}

}  // namespace

bool DuplicateFilter::SeenBefore(std::string_view text, bool prose) {
  const Words words = Read(text);
  std::uint64_t all = words.hashes.size();
  for (const std::uint64_t word : words.hashes) all = Mix(all ^ word);
  if (exact_.contains(all)) return true;
  if (exact_.size() < kExactKept) exact_.insert(all);
  return prose && words.hashes.size() >= kNearWordsMin && NearSeen(words.hashes, words.numbers);
}

bool DuplicateFilter::NearSeen(const std::vector<std::uint64_t>& words, std::uint64_t numbers) {
  Signature mine;
  mine.numbers = numbers;
  mine.minima.fill(~0u);
  for (std::size_t i = 0; i + 2 < words.size(); ++i) {
    const std::uint64_t shingle = Mix(words[i] ^ Mix(words[i + 1] ^ Mix(words[i + 2])));
    const auto low = static_cast<std::uint32_t>(shingle);
    const auto high = static_cast<std::uint32_t>(shingle >> 32) | 1u;
    for (std::uint32_t k = 0; k < kHashes; ++k) {
      // A cheap family of hashes from two halves, after Kirsch and Mitzenmacher, mixed once.
      std::uint32_t hash = low + k * high;
      hash = (hash ^ (hash >> 15)) * 0x2c1b3c6du;
      hash ^= hash >> 13;
      mine.minima[k] = std::min(mine.minima[k], hash);
    }
  }
  constexpr std::size_t kRows = kHashes / kBands;
  for (std::size_t band = 0; band < kBands; ++band) {
    std::uint64_t hash = band;
    for (std::size_t row = 0; row < kRows; ++row)
      hash = Mix(hash ^ mine.minima[band * kRows + row]);
    mine.bands[band] = hash;
    const auto found = by_band_.find(hash);
    if (found == by_band_.end() || found->second < first_) continue;
    const Signature& other = signatures_[found->second - first_];
    std::size_t agreeing = 0;
    for (std::size_t k = 0; k < kHashes; ++k) agreeing += mine.minima[k] == other.minima[k];
    if (agreeing >= kNearAgreeing && other.numbers == numbers) return true;
  }
  Remember(mine);
  return false;
}

void DuplicateFilter::Remember(Signature signature) {
  if (signatures_.size() >= kNearKept) {
    for (const std::uint64_t band : signatures_.front().bands) {
      const auto found = by_band_.find(band);
      if (found != by_band_.end() && found->second == first_) by_band_.erase(found);
    }
    signatures_.pop_front();
    ++first_;
  }
  const std::uint64_t number = first_ + signatures_.size();
  for (const std::uint64_t band : signature.bands) by_band_[band] = number;
  signatures_.push_back(signature);
}

}  // namespace tessera
