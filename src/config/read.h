#pragma once
// From a YAML tree to a described struct, with every mistake reported.

#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"
#include "config/spec.h"
#include "config/yaml.h"

namespace tessera {

/// Reads the map `node` into `object`, which holds the defaults. Appends a problem for every
/// unknown key, wrong type, value out of its limits and missing required field; `path` is where the
/// struct stands ("services.retrieval"), "" at the top.
void ReadStruct(const YamlNode& node, const StructSpec& spec, const std::string& path, void* object,
                std::vector<Problem>& problems);

/// What to say about a key that is not among the `known` ones.
std::string UnknownKey(std::string_view key, const std::vector<std::string>& known);

/// A whole YAML text as one struct; the error lists every mistake as "file:line:column: path: …".
template <Described C>
Result<C> ReadYaml(std::string_view text, std::string_view file) {
  std::vector<Problem> problems;
  C object;
  const YamlNodePtr root = ParseYaml(text, problems);
  if (root) ReadStruct(*root, SpecOf<C>(), "", &object, problems);
  if (!problems.empty()) return absl::InvalidArgumentError(FormatProblems(file, problems));
  return object;
}

}  // namespace tessera
