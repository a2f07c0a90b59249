#pragma once
// Hexadecimal, read.

#include <array>
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
  static constexpr std::array<std::int8_t, 256> kValues = [] {
    std::array<std::int8_t, 256> values{};
    for (int c = 0; c < 256; ++c)
      values[static_cast<std::size_t>(c)] =
          static_cast<std::int8_t>(HexDigit(static_cast<char>(c)));
    return values;
  }();
  const auto value = [&](std::size_t at) {
    return kValues[static_cast<unsigned char>(digits[at])];
  };
  std::string bytes(digits.size() / 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>(value(2 * i) << 4 | value(2 * i + 1));
  return bytes;
}

}  // namespace tessera
