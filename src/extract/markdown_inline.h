#pragma once
// The marks of Markdown within a line.

#include <string>
#include <string_view>

namespace tessera {

/// The text a reader of the page sees: links by their words, images by their alternative text,
/// emphasis, code marks, escapes and HTML tags gone.
std::string StripMarkdown(std::string_view text);

}  // namespace tessera
