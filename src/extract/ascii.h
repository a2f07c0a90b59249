#pragma once
// Small questions to strings that base/str.h does not answer.

#include <string>
#include <string_view>

#include "base/str.h"

namespace tessera {

inline constexpr std::string_view kSpaces = " \t\n\r\f\v";

inline bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
inline bool StartsWithIgnoreCase(std::string_view text, std::string_view start) {
  return EqualsIgnoreCase(text.substr(0, start.size()), start);
}
inline bool StartsWith(std::string_view text, std::string_view start) {
  return text.starts_with(start);
}
inline bool EndsWith(std::string_view text, std::string_view end) { return text.ends_with(end); }
inline std::string ToUpper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return upper;
}
/// Without white space (line ends too) at the start, the end, or both.
inline std::string_view TrimStart(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kSpaces);
  return start == std::string_view::npos ? std::string_view() : text.substr(start);
}
inline std::string_view TrimEnd(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}
inline std::string_view TrimSpaces(std::string_view text) { return TrimStart(TrimEnd(text)); }

}  // namespace tessera
