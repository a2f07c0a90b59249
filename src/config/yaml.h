#pragma once
// YAML as a plain tree that knows where everything stood. The only place that knows yaml-cpp is
// yaml.cc.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tessera {

/// A place in a text, both counted from 1.
struct Mark {
  int line = 1;
  int column = 1;
};

/// One mistake in a document: where, at which path ("services.retrieval.limit"), and how to mend
/// it.
struct Problem {
  Mark mark;
  std::string path;
  std::string message;
};

/// "file:line:column: path: message" a line, in the order of the document.
std::string FormatProblems(std::string_view file, std::vector<Problem> problems);

/// A value of a parsed document; immutable once parsed, shared where an alias points at it.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry {
    std::string key;
    Mark mark;
    std::shared_ptr<const YamlNode> value;
  };

  Kind kind = Kind::kNull;
  Mark mark;
  std::string scalar;
  bool quoted = false;  ///< a quoted scalar is a string even if it looks like a number
  std::size_t weight =
      1;  ///< nodes below and with this one, aliases counted as often as they occur
  std::vector<std::shared_ptr<const YamlNode>> items;
  std::vector<Entry> entries;  ///< in the order of the text; keys are unique

  /// The entry of that key, or nullptr.
  const Entry* Find(std::string_view key) const;
};
using YamlNodePtr = std::shared_ptr<const YamlNode>;

struct YamlLimits {
  std::size_t bytes = 1 << 20;
  std::size_t nodes = 50'000;  ///< after expanding aliases, so no bomb can grow
  int depth = 32;
};

/// Parses one document; an empty text is an empty map. On a mistake returns nullptr and appends to
/// `problems`. Refuses several documents, tags, duplicate keys and keys that are no plain words.
YamlNodePtr ParseYaml(std::string_view text, std::vector<Problem>& problems,
                      const YamlLimits& limits = {});

/// The tree as YAML on one line, without aliases; ParseYaml makes an equal one of it. References to
/// secrets stay references.
std::string YamlLine(const YamlNode& node);

}  // namespace tessera
