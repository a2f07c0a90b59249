#include "extract/markdown_inline.h"

#include "absl/strings/ascii.h"
#include "extract/ascii.h"

namespace tessera {
namespace {

bool IsWord(std::string_view text, std::size_t at) {
  return at < text.size() &&
         (absl::ascii_isalnum(static_cast<unsigned char>(text[at])) || (text[at] & 0x80) != 0);
}

/// The place after the ']' that closes the '[' at `open`; npos where none does.
std::size_t CloseBracket(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size() && i < open + 2000; ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '[') {
      ++depth;
    } else if (text[i] == ']' && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

/// The place after "(target)" or "[reference]" at `at`, or `at` itself.
std::size_t SkipTarget(std::string_view text, std::size_t at) {
  if (at >= text.size() || (text[at] != '(' && text[at] != '[')) return at;
  const char close = text[at] == '(' ? ')' : ']';
  const std::size_t end = text.substr(0, at + 2000).find(close, at);
  return end == std::string_view::npos ? at : end + 1;
}

}  // namespace

std::string StripMarkdown(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size() &&
        absl::ascii_ispunct(static_cast<unsigned char>(text[i + 1]))) {
      out.push_back(text[i + 1]);
      i += 2;
    } else if (c == '`') {
      const std::size_t run = text.find_first_not_of('`', i);
      const std::size_t length = (run == std::string_view::npos ? text.size() : run) - i;
      const std::size_t end = text.find(text.substr(i, length), i + length);
      if (end != std::string_view::npos) {
        out.append(text.substr(i + length, end - i - length));
        i = end + length;
      } else {
        i += length;
      }
    } else if (c == '[' || (c == '!' && i + 1 < text.size() && text[i + 1] == '[')) {
      const std::size_t open = c == '!' ? i + 1 : i;
      const std::size_t close = CloseBracket(text, open);
      const std::size_t after = close == std::string_view::npos ? close : SkipTarget(text, close);
      if (close == std::string_view::npos || after == close) {
        out.push_back(c);
        ++i;
      } else {
        out.append(StripMarkdown(text.substr(open + 1, close - open - 2)));
        i = after;
      }
    } else if (c == '*' || c == '~') {
      ++i;
      if (IsWord(text, i - 2) && IsWord(text, i)) out.push_back(c);  // 2*3, not emphasis
    } else if (c == '_') {
      const bool within_word = i > 0 && IsWord(text, i - 1) && IsWord(text, i + 1);
      if (within_word) out.push_back(c);
      ++i;
    } else if (c == '<') {
      const std::size_t end = text.substr(0, i + 1000).find('>', i);
      const bool tag = end != std::string_view::npos && i + 1 < text.size() &&
                       (absl::ascii_isalpha(static_cast<unsigned char>(text[i + 1])) ||
                        text[i + 1] == '/' || text[i + 1] == '!');
      if (!tag) {
        out.push_back(c);
        ++i;
        continue;
      }
      const std::string_view inner = text.substr(i + 1, end - i - 1);
      const bool link = Contains(inner, "://") || Contains(inner, "@");
      if (link && !Contains(inner, " ")) out.append(inner);  // <https://…>
      i = end + 1;
    } else {
      out.push_back(c);
      ++i;
    }
  }
  return out;
}

}  // namespace tessera
