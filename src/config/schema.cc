#include "config/schema.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"
#include "base/str.h"
#include "config/describe.h"

namespace tessera {

void ConfigSchema::AddSection(Section section) {
  const auto place =
      std::lower_bound(sections_.begin(), sections_.end(), section,
                       [](const Section& a, const Section& b) { return a.path < b.path; });
  CHECK(place == sections_.end() || place->path != section.path);  // registered twice
  sections_.insert(place, std::move(section));
}

const void* ConfigSnapshot::Find(std::string_view path, const StructSpec& spec) const {
  const auto it = sections_.find(path);
  CHECK(it != sections_.end() && it->second.spec == &spec);  // not registered, or as another type
  return it->second.object.get();
}

std::string ConfigSnapshot::ToYaml() const {
  std::string out;
  std::vector<std::string> open;  // groups printed already
  for (const auto& [path, section] : sections_) {
    const std::vector<std::string> parts = absl::StrSplit(path, '.');
    std::size_t same = 0;
    while (same < open.size() && same + 1 < parts.size() && open[same] == parts[same]) ++same;
    open.assign(parts.begin(), parts.end());
    for (std::size_t i = same; i < parts.size(); ++i)
      StrAppend(&out, std::string(2 * i, ' '), parts[i], ":\n");
    for (const FieldSpec& field : section.spec->fields)
      StrAppend(&out, std::string(2 * parts.size(), ' '), field.name, ": ",
                ShowValue(*field.type, field.at(section.object.get())), "\n");
  }
  return out;
}

Result<ConfigSnapshot> ConfigSchema::Parse(std::string_view text, std::string_view file) const {
  std::vector<Problem> problems;
  ConfigSnapshot snapshot = Parse(text, problems);
  if (!problems.empty())
    return absl::InvalidArgumentError(FormatProblems(file, std::move(problems)));
  return snapshot;
}

ConfigSnapshot ConfigSchema::Parse(std::string_view text, std::vector<Problem>& problems) const {
  ConfigSnapshot snapshot;
  for (const Section& section : sections_)
    snapshot.sections_[section.path] = {section.spec, section.spec->make()};
  const YamlNodePtr root = ParseYaml(text, problems);
  if (root == nullptr) return snapshot;
  ReadGroup(*root, "", snapshot, problems);
  // Sections that the document leaves out still have required fields and rules.
  for (const Section& section : sections_) {
    const YamlNode* node = root.get();
    bool present = true;
    const std::vector<std::string> parts = absl::StrSplit(section.path, '.');
    for (const std::string& part : parts) {
      const YamlNode::Entry* entry = node->Find(part);
      present = present && entry != nullptr;
      if (!present) break;
      node = entry->value.get();
    }
    if (present) continue;
    YamlNode empty;
    empty.mark = node->mark;
    ReadStruct(empty, *section.spec, section.path, snapshot.sections_[section.path].object.get(),
               problems);
  }
  return snapshot;
}

// Reads a map whose keys are sections or groups of sections.
void ConfigSchema::ReadGroup(const YamlNode& node, const std::string& prefix,
                             ConfigSnapshot& snapshot, std::vector<Problem>& problems) const {
  const std::string name = prefix.empty() ? prefix : prefix.substr(0, prefix.size() - 1);
  if (node.kind == YamlNode::Kind::kNull) return;
  if (node.kind != YamlNode::Kind::kMap) {
    problems.push_back({node.mark, name, "expected a map of sections"});
    return;
  }
  std::vector<std::string> known;
  for (const Section& section : sections_) {
    if (!section.path.starts_with(prefix)) continue;
    const std::vector<std::string> rest =
        absl::StrSplit(section.path.substr(prefix.size()), absl::MaxSplits('.', 1));
    if (known.empty() || known.back() != rest[0]) known.push_back(rest[0]);
  }
  for (const YamlNode::Entry& entry : node.entries) {
    const std::string path = prefix + entry.key;
    const auto section = std::find_if(sections_.begin(), sections_.end(),
                                      [&](const Section& s) { return s.path == path; });
    if (section != sections_.end()) {
      ReadStruct(*entry.value, *section->spec, path, snapshot.sections_[path].object.get(),
                 problems);
    } else if (std::find(known.begin(), known.end(), entry.key) != known.end()) {
      ReadGroup(*entry.value, path + ".", snapshot, problems);
    } else {
      problems.push_back({entry.mark, path, UnknownKey(entry.key, known)});
    }
  }
}

}  // namespace tessera
