#pragma once
// What the Office formats (ECMA-376) share: parts of a ZIP as XML trees, core properties,
// relations.

#include <map>
#include <string>
#include <string_view>

#include "extract/readers.h"
#include "pugixml.hpp"

namespace tessera {

/// The parts of an Office file, unpacked.
class OfficeParts {
 public:
  /// `wanted` picks the parts by name.
  ExtractFailure Open(const InputFile& file, bool (*wanted)(std::string_view), ReadJob& job);
  bool Has(const std::string& name) const { return members_.contains(name); }
  /// Parses a part into `tree`; a failure when it is missing or not XML. Frees the part's bytes.
  ExtractFailure Parse(const std::string& name, pugi::xml_document& tree);
  /// Id to target of a part's relations ("ppt/presentation.xml"); targets as full names.
  std::map<std::string, std::string> Relations(const std::string& name);
  /// Title, author, dates from docProps/core.xml, where it is there.
  void TakeCore(DocumentInfo& info);
  const std::map<std::string, std::string>& members() const { return members_; }

 private:
  std::map<std::string, std::string> members_;
};

/// The name without its namespace prefix: "w:p" is "p".
std::string_view LocalName(const pugi::xml_node& node);
/// The first child of that local name.
pugi::xml_node LocalChild(const pugi::xml_node& node, std::string_view name);
/// The value of the attribute of that local name; "" where it is missing.
std::string_view LocalAttribute(const pugi::xml_node& node, std::string_view name);

}  // namespace tessera
