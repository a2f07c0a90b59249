#pragma once
// What a tag means for the text in it.

#include <string_view>

namespace tessera {

enum class HtmlRole {
  kInline,
  kBlock,
  kHeading,
  kItem,
  kTerm,
  kDefinition,
  kList,
  kQuote,
  kCode,
  kTable,
  kRow,
  kCell,
  kBreak
};

/// kInline for tags that do not part text, and for unknown ones.
HtmlRole HtmlRoleOf(std::string_view tag);

}  // namespace tessera
