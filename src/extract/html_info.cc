#include "extract/html_info.h"

#include <algorithm>
#include <vector>

#include "extract/ascii.h"
#include "extract/html_roles.h"
#include "extract/text.h"

namespace tessera {
namespace {

/// All text below a node, whatever its structure.
std::string TextOf(HtmlTree::Node start, std::size_t max) {
  std::string out;
  std::vector<HtmlTree::Node> pending = {start};
  while (!pending.empty() && out.size() < max) {
    const HtmlTree::Node node = pending.back();
    pending.pop_back();
    if (node.IsText()) {
      out.append(node.Text());
      continue;
    }
    if (HtmlRoleOf(node.Tag()) != HtmlRole::kInline && !out.empty()) out.push_back(' ');
    for (std::size_t i = node.ChildCount(); i > 0; --i) pending.push_back(node.Child(i - 1));
  }
  out.resize(Utf8Cut(out, max));
  return out;
}

void TakeMeta(HtmlTree::Node node, DocumentInfo& info) {
  const std::string name = ToLower(node.Attribute("name"));
  const std::string_view content = node.Attribute("content");
  if (content.empty()) return;
  if (name == "author") info.author = std::string(content);
  if (name == "description" || name == "keywords" || name == "date") {
    info.metadata[name] = std::string(content);
  }
  const std::string_view property = node.Attribute("property");
  if (property == "og:title" && info.title.empty()) info.title = std::string(content);
}

}  // namespace

void TakeHtmlInfo(HtmlTree::Node root, DocumentInfo& info) {
  if (info.language.empty()) info.language = std::string(root.Attribute("lang"));
  std::string title;
  std::string heading;
  std::vector<HtmlTree::Node> pending = {root};
  while (!pending.empty()) {
    const HtmlTree::Node node = pending.back();
    pending.pop_back();
    const std::string_view tag = node.Tag();
    if (tag == "title" && title.empty()) title = TextOf(node, 1000);
    if (tag == "h1" && heading.empty()) heading = TextOf(node, 1000);
    if (tag == "meta") TakeMeta(node, info);
    if (tag == "svg") continue;  // has titles of its own
    for (std::size_t i = node.ChildCount(); i > 0; --i) pending.push_back(node.Child(i - 1));
  }
  if (!title.empty()) info.title = title;
  if (info.title.empty()) info.title = heading;
}

std::string DeclaredHtmlEncoding(std::string_view head) {
  const std::string lower = ToLower(head.substr(0, 2048));
  const std::size_t at = lower.find("charset=");
  const std::size_t xml = lower.find("encoding=");
  const std::size_t found = at != std::string::npos    ? at + 8
                            : xml != std::string::npos ? xml + 9
                                                       : at;
  if (found == std::string::npos) return {};
  std::size_t start = lower.find_first_not_of("\"' ", found);
  if (start == std::string::npos) return {};
  const std::size_t end =
      lower.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_:.", start);
  std::string name = lower.substr(start, std::min<std::size_t>(end - start, 40));
  // Browsers read both as the Windows page (WHATWG encoding standard).
  if (name == "iso-8859-1" || name == "us-ascii" || name == "latin1") return "WINDOWS-1252";
  return ToUpper(name);
}

}  // namespace tessera
