#pragma once
// Which parts of a page are furniture: navigation, banners, forms, scripts.

#include "extract/html_tree.h"

namespace tessera {

/// Never text: scripts, styles, forms' controls, hidden parts.
bool IsInvisibleHtml(HtmlTree::Node node);

/// Around the content on most pages: by tag, role, or the words of its class and id.
bool IsHtmlFurniture(HtmlTree::Node node);

/// The node that holds the content: the only <main>, role=main or <article>, else the body.
HtmlTree::Node MainContent(HtmlTree::Node root);

}  // namespace tessera
