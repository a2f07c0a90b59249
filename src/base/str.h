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

/// The standard's view of an abseil view, such as Status::message().
inline std::string_view StdView(absl::string_view view) { return {view.data(), view.size()}; }

}  // namespace tessera
