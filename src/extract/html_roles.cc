#include "extract/html_roles.h"

#include <unordered_map>

namespace tessera {

HtmlRole HtmlRoleOf(std::string_view tag) {
  static const std::unordered_map<std::string_view, HtmlRole> roles = {
      {"p", HtmlRole::kBlock},          {"div", HtmlRole::kBlock},
      {"section", HtmlRole::kBlock},    {"article", HtmlRole::kBlock},
      {"main", HtmlRole::kBlock},       {"header", HtmlRole::kBlock},
      {"footer", HtmlRole::kBlock},     {"aside", HtmlRole::kBlock},
      {"nav", HtmlRole::kBlock},        {"figure", HtmlRole::kBlock},
      {"figcaption", HtmlRole::kBlock}, {"address", HtmlRole::kBlock},
      {"details", HtmlRole::kBlock},    {"summary", HtmlRole::kBlock},
      {"form", HtmlRole::kBlock},       {"fieldset", HtmlRole::kBlock},
      {"hr", HtmlRole::kBlock},         {"center", HtmlRole::kBlock},
      {"caption", HtmlRole::kBlock},    {"body", HtmlRole::kBlock},
      {"dl", HtmlRole::kBlock},         {"thead", HtmlRole::kBlock},
      {"tbody", HtmlRole::kBlock},      {"tfoot", HtmlRole::kBlock},
      {"h1", HtmlRole::kHeading},       {"h2", HtmlRole::kHeading},
      {"h3", HtmlRole::kHeading},       {"h4", HtmlRole::kHeading},
      {"h5", HtmlRole::kHeading},       {"h6", HtmlRole::kHeading},
      {"li", HtmlRole::kItem},          {"dt", HtmlRole::kTerm},
      {"dd", HtmlRole::kDefinition},    {"ul", HtmlRole::kList},
      {"ol", HtmlRole::kList},          {"menu", HtmlRole::kList},
      {"blockquote", HtmlRole::kQuote}, {"pre", HtmlRole::kCode},
      {"xmp", HtmlRole::kCode},         {"listing", HtmlRole::kCode},
      {"table", HtmlRole::kTable},      {"tr", HtmlRole::kRow},
      {"td", HtmlRole::kCell},          {"th", HtmlRole::kCell},
      {"br", HtmlRole::kBreak}};
  const auto found = roles.find(tag);
  return found != roles.end() ? found->second : HtmlRole::kInline;
}

}  // namespace tessera
