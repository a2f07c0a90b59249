#pragma once
// The little UTF-8 that cleaning and chunking need.

#include <cstddef>
#include <string>
#include <string_view>

namespace tessera {

constexpr char32_t kReplacementCharacter = 0xfffd;

/// The code point at `text[i]`; moves `i` behind it. A byte that is not valid UTF-8 gives U+FFFD
/// and moves by one. `i` must be below text.size().
char32_t NextCodePoint(std::string_view text, std::size_t& i);

void AppendCodePoint(std::string& out, char32_t c);

/// The largest boundary between code points that is at most `i`.
std::size_t FloorBoundary(std::string_view text, std::size_t i);

bool IsValidUtf8(std::string_view text);

/// `text` with every invalid byte replaced by U+FFFD; the same string when it is valid.
std::string MakeValidUtf8(std::string text);

}  // namespace tessera
