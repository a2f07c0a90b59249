#pragma once
// StrCat and StrAppend of abseil for std::string_view: Debian's abseil has a string_view of its
// own, which the standard's does not convert to.

#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"

namespace tessera {

namespace internal {
template <class T>
decltype(auto) AbslPiece(const T& value) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return absl::string_view(value.data(), value.size());
  } else {
    return value;
  }
}
}  // namespace internal

/// One string of all pieces: strings, views, numbers, absl::Hex and the like.
template <class... Pieces>
std::string StrCat(const Pieces&... pieces) {
  return absl::StrCat(internal::AbslPiece(pieces)...);
}

template <class... Pieces>
void StrAppend(std::string* out, const Pieces&... pieces) {
  absl::StrAppend(out, internal::AbslPiece(pieces)...);
}

/// Abseil's view of a standard view, for abseil's other functions.
inline absl::string_view AbslView(std::string_view view) { return {view.data(), view.size()}; }

/// ASCII only: header names, media types, schemes.
inline char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
inline std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = ToLower(c);
  return lower;
}
inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}
/// `text` without spaces and tabs around it.
inline std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The standard's view of an abseil view, such as Status::message().
inline std::string_view StdView(absl::string_view view) { return {view.data(), view.size()}; }

}  // namespace tessera
