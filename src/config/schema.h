#pragma once
// A configuration document: named sections, each a described struct. Components register theirs;
// the document is read as a whole into an immutable snapshot.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"
#include "config/read.h"

namespace tessera {

/// The configuration as read: every section, defaults filled in. Immutable, cheap to copy, safe to
/// share between threads.
class ConfigSnapshot {
 public:
  /// The section at `path` ("server", "services.retrieval"), which was registered with type C.
  template <Described C>
  const C& Get(std::string_view path) const {
    return *static_cast<const C*>(Find(path, SpecOf<C>()));
  }
  /// The whole configuration as YAML, defaults included, secrets as ***.
  std::string ToYaml() const;

 private:
  friend class ConfigSchema;
  struct Section {
    const StructSpec* spec;
    std::shared_ptr<void> object;
  };
  const void* Find(std::string_view path, const StructSpec& spec) const;

  std::map<std::string, Section, std::less<>> sections_;
};

/// The sections that a document may have. Filled once at start; reading is const and thread-safe.
class ConfigSchema {
 public:
  /// Registers a section at a dotted path; `doc` says in a sentence what it is for.
  template <Described C>
  void Add(std::string path, std::string doc) {
    AddSection({std::move(path), std::move(doc), &SpecOf<C>()});
  }

  /// Reads a YAML text. The error lists every mistake, one a line: "file:line:column: path: …".
  Result<ConfigSnapshot> Parse(std::string_view text, std::string_view file) const;
  /// The same with the mistakes as data; the snapshot is whole only if none was added.
  ConfigSnapshot Parse(std::string_view text, std::vector<Problem>& problems) const;

  /// What the section or field at `path` is, its type, default and limits; "" lists the sections.
  Result<std::string> Explain(std::string_view path) const;
  /// The reference page (docs/configuration.md) in Markdown.
  std::string ReferencePage() const;
  /// A JSON Schema (2020-12) of the document, for editors.
  std::string JsonSchema() const;
  /// Every path that Explain knows.
  std::vector<std::string> Paths() const;

 private:
  struct Section {
    std::string path;
    std::string doc;
    const StructSpec* spec;
  };
  void AddSection(Section section);
  void ReadGroup(const YamlNode& node, const std::string& prefix, ConfigSnapshot& snapshot,
                 std::vector<Problem>& problems) const;

  std::vector<Section> sections_;  // sorted by path
};

}  // namespace tessera
