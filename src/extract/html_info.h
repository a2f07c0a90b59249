#pragma once
// What a page says of itself.

#include <string>
#include <string_view>

#include "extract/block.h"
#include "extract/html_tree.h"

namespace tessera {

/// Title, author, language and description; the first <h1> where there is no title.
void TakeHtmlInfo(HtmlTree::Node root, DocumentInfo& info);

/// The encoding that the page declares within its first 2 KiB, by its IANA name; else empty.
std::string DeclaredHtmlEncoding(std::string_view head);

}  // namespace tessera
