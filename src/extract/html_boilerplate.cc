#include "extract/html_boilerplate.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/strings/ascii.h"
#include "extract/ascii.h"

namespace tessera {
namespace {

using Words = std::unordered_set<std::string_view>;

/// The words of class and id that name furniture on the web at large.
const Words& FurnitureWords() {
  static const Words words = {"nav",           "navbar",
                              "navheader",     "navfooter",
                              "navigation",    "menu",
                              "sidebar",       "breadcrumb",
                              "breadcrumbs",   "toc",
                              "footer",        "pagefooter",
                              "site-header",   "site-footer",
                              "page-footer",   "masthead",
                              "cookie",        "cookies",
                              "cookie-banner", "cookie-consent",
                              "consent",       "advert",
                              "ads",           "social",
                              "share",         "sharing",
                              "related",       "newsletter",
                              "skip-link",     "skiplink",
                              "search-form",   "searchbox",
                              "pagination",    "pager",
                              "headerlink",    "toctree-wrapper",
                              "sphinxsidebar", "mw-editsection",
                              "mw-jump-link",  "navbox",
                              "printfooter",   "noprint"};
  return words;
}

bool HasFurnitureWord(std::string_view names) {
  std::size_t start = 0;
  while (start < names.size()) {
    std::size_t end = start;
    while (end < names.size() && !absl::ascii_isspace(static_cast<unsigned char>(names[end])))
      ++end;
    const std::string word = ToLower(names.substr(start, std::min<std::size_t>(end - start, 64)));
    if (FurnitureWords().contains(word)) return true;
    start = end + 1;
  }
  return false;
}

}  // namespace

bool IsInvisibleHtml(HtmlTree::Node node) {
  static const Words tags = {"script",   "style",  "noscript", "template", "svg",   "math",
                             "iframe",   "object", "embed",    "canvas",   "audio", "video",
                             "map",      "head",   "title",    "button",   "input", "select",
                             "textarea", "option", "datalist", "dialog"};
  if (tags.contains(node.Tag())) return true;
  if (node.HasAttribute("hidden") || node.Attribute("aria-hidden") == "true") return true;
  const std::string_view style = node.Attribute("style");
  return Contains(style, "display:none") || Contains(style, "display: none");
}

bool IsHtmlFurniture(HtmlTree::Node node) {
  const std::string_view tag = node.Tag();
  if (tag == "nav" || tag == "footer" || tag == "aside") return true;
  // A heading may well stand in a <header>; a page's banner has a role or a telling class.
  const std::string_view role = node.Attribute("role");
  if (role == "navigation" || role == "banner" || role == "contentinfo" || role == "search" ||
      role == "complementary" || role == "menu" || role == "menubar") {
    return true;
  }
  if (tag == "body" || tag == "html" || tag == "main" || tag == "article") return false;
  return HasFurnitureWord(node.Attribute("class")) || HasFurnitureWord(node.Attribute("id"));
}

HtmlTree::Node MainContent(HtmlTree::Node root) {
  HtmlTree::Node body = root;
  HtmlTree::Node main;
  HtmlTree::Node article;
  int articles = 0;
  std::vector<HtmlTree::Node> pending = {root};
  while (!pending.empty()) {
    const HtmlTree::Node node = pending.back();
    pending.pop_back();
    const std::string_view tag = node.Tag();
    if (tag == "body") body = node;
    if (!main.valid() && (tag == "main" || node.Attribute("role") == "main")) main = node;
    if (tag == "article" && ++articles == 1) article = node;
    for (std::size_t i = 0; i < node.ChildCount(); ++i) pending.push_back(node.Child(i));
  }
  if (main.valid()) return main;
  return articles == 1 ? article : body;
}

}  // namespace tessera
