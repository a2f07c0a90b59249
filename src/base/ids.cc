#include "base/ids.h"

#include <algorithm>
#include <array>
#include <cstring>

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

void FillFast(void* bytes, std::size_t size) {
  for (auto* at = static_cast<char*>(bytes); size > 0;) {
    const std::uint64_t random = RandomId();
    const std::size_t count = std::min(size, sizeof random);
    std::memcpy(at, &random, count);
    at += count;
    size -= count;
  }
}

// `prefix` and 24 characters; `fill` gives random bytes.
std::string IdOf(std::string_view prefix, void (*fill)(void* bytes, std::size_t size)) {
  static constexpr std::string_view kAlphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr std::size_t kLength = 24;
  std::string id;
  id.reserve(prefix.size() + kLength);
  id.append(prefix);
  std::array<std::uint8_t, 32> bytes;
  std::size_t used = bytes.size();
  while (id.size() < prefix.size() + kLength) {
    if (used == bytes.size()) {
      fill(bytes.data(), bytes.size());
      used = 0;
    }
    const std::uint8_t value = bytes[used++] & 63;
    if (value < kAlphabet.size()) id.push_back(kAlphabet[value]);  // rejection keeps it uniform
  }
  return id;
}

}  // namespace

std::uint64_t RandomId() {
  thread_local std::uint64_t state = Seed();
  std::uint64_t id = SplitMix(state);
  return id != 0 ? id : 1;
}

std::string NewId(std::string_view prefix) { return IdOf(prefix, FillRandom); }

std::string AnswerId(std::string_view prefix) { return IdOf(prefix, FillFast); }

std::string Hex(std::uint64_t id) {
  std::string hex;
  AppendHex(&hex, id);
  return hex;
}

void AppendHex(std::string* text, std::uint64_t id) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::size_t kLength = 16;
  text->append(kLength, '0');
  for (auto at = text->rbegin(); id != 0; id >>= 4) *at++ = kDigits[id & 15];
}

}  // namespace tessera
