#include "base/ids.h"

#include <array>

#include <sys/random.h>

#include "base/status.h"

namespace tessera {
namespace {

void FillRandom(void* bytes, std::size_t size) {
  CHECK(getrandom(bytes, size, 0) == static_cast<ssize_t>(size));
}

// SplitMix64 (Steele, Lea, Flood 2014), seeded from the system's generator.
std::uint64_t SplitMix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::uint64_t Seed() {
  std::uint64_t seed;
  FillRandom(&seed, sizeof seed);
  return seed;
}

}  // namespace

std::uint64_t RandomId() {
  thread_local std::uint64_t state = Seed();
  std::uint64_t id = SplitMix(state);
  return id != 0 ? id : 1;
}

std::string NewId(std::string_view prefix) {
  static constexpr std::string_view kAlphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr std::size_t kLength = 24;
  std::string id(prefix);
  std::array<std::uint8_t, 64> bytes;
  std::size_t used = bytes.size();
  while (id.size() < prefix.size() + kLength) {
    if (used == bytes.size()) {
      FillRandom(bytes.data(), bytes.size());
      used = 0;
    }
    const std::uint8_t value = bytes[used++] & 63;
    if (value < kAlphabet.size()) id.push_back(kAlphabet[value]);  // rejection keeps it uniform
  }
  return id;
}

std::string Hex(std::uint64_t id) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex(16, '0');
  for (int i = 15; i >= 0; --i, id >>= 4) hex[static_cast<std::size_t>(i)] = kDigits[id & 15];
  return hex;
}

}  // namespace tessera
