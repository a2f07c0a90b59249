#include "extract/office_xml.h"

#include "extract/ascii.h"
#include "extract/zip_listing.h"

namespace tessera {

ExtractFailure OfficeParts::Open(const InputFile& file, bool (*wanted)(std::string_view),
                                 ReadJob& job) {
  return ReadZipMembers(file, wanted, job.limits.tree_bytes_max.count, members_);
}

ExtractFailure OfficeParts::Parse(const std::string& name, pugi::xml_document& tree) {
  const auto found = members_.find(name);
  if (found == members_.end()) {
    return ExtractError{ExtractCode::kCorrupt,
                        StrCat("has no part ", name, ": open it in its program and save it anew")};
  }
  const unsigned options = pugi::parse_cdata | pugi::parse_escapes | pugi::parse_ws_pcdata;
  const pugi::xml_parse_result result =
      tree.load_buffer(found->second.data(), found->second.size(), options);
  members_.erase(found);  // the tree has a copy
  if (result.status == pugi::status_out_of_memory) {
    return ExtractError{ExtractCode::kTooLarge,
                        StrCat("its part ", name, " does not fit into memory_bytes_max")};
  }
  if (result) return std::nullopt;
  return ExtractError{ExtractCode::kCorrupt,
                      StrCat("its part ", name, " is not sound XML (", result.description(),
                             "): open it in its program and save it anew")};
}

std::map<std::string, std::string> OfficeParts::Relations(const std::string& name) {
  std::map<std::string, std::string> targets;
  const std::size_t slash = name.rfind('/') + 1;
  const std::string folder = name.substr(0, slash);
  pugi::xml_document tree;
  if (Parse(StrCat(folder, "_rels/", name.substr(slash), ".rels"), tree)) return targets;
  for (const pugi::xml_node& relation : tree.document_element().children()) {
    std::string target(LocalAttribute(relation, "Target"));
    std::string base = folder;
    if (target.starts_with('/')) {
      base.clear();
      target.erase(0, 1);
    }
    while (target.starts_with("../")) {
      target.erase(0, 3);
      if (!base.empty()) base.erase(base.rfind('/', base.size() - 2) + 1);
    }
    targets[std::string(LocalAttribute(relation, "Id"))] = base + target;
  }
  return targets;
}

void OfficeParts::TakeCore(DocumentInfo& info) {
  pugi::xml_document tree;
  if (Parse("docProps/core.xml", tree)) return;
  for (const pugi::xml_node& field : tree.document_element().children()) {
    const std::string_view name = LocalName(field);
    const char* value = field.child_value();
    if (name == "title") info.title = value;
    if (name == "creator") info.author = value;
    if (name == "language") info.language = value;
    if (name == "subject") info.metadata["subject"] = value;
    if (name == "keywords") info.metadata["keywords"] = value;
    if (name == "modified") info.metadata["date"] = value;
  }
}

std::string_view LocalName(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

pugi::xml_node LocalChild(const pugi::xml_node& node, std::string_view name) {
  for (const pugi::xml_node& child : node.children()) {
    if (LocalName(child) == name) return child;
  }
  return {};
}

std::string_view LocalAttribute(const pugi::xml_node& node, std::string_view name) {
  for (const pugi::xml_attribute& attribute : node.attributes()) {
    const std::string_view full = attribute.name();
    const std::size_t colon = full.find(':');
    if ((colon == std::string_view::npos ? full : full.substr(colon + 1)) == name) {
      return attribute.value();
    }
  }
  return {};
}

}  // namespace tessera
