#pragma once
// Hexadecimal, read.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera {

/// What a digit of either case says; -1: it is none.
constexpr int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The number of at most 16 digits in lower case, as ids have them; nothing when it is another
/// text.
constexpr std::optional<std::uint64_t> ParseHex(std::string_view text) {
  if (text.size() > 16) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const int digit = HexDigit(c);
    if (digit < 0 || (c >= 'A' && c <= 'F')) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(digit);
  }
  return value;
}

/// The bytes that pairs of digits stand for. `digits` are known to be such.
inline std::string BytesOfHex(std::string_view digits) {
  std::string bytes;
  bytes.reserve(digits.size() / 2);
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<char>(HexDigit(digits[i]) << 4 | HexDigit(digits[i + 1])));
  return bytes;
}

}  // namespace tessera
