#pragma once
// Graphs: YAML in, steps out, every mistake with its place.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "config/yaml.h"
#include "services/orchestration/step.h"

namespace tessera {

/// A parsed graph. Immutable; thread-safe.
struct Graph {
  std::string name;
  std::string description;
  std::string yaml;
  StepPtr steps;
};

/// The error lists every mistake as "file:line:column: path: …".
Result<Graph> ParseGraph(std::string_view yaml, std::string_view file);

/// chatqna, docsum, codegen, faqgen, as the binary carries them.
std::vector<std::pair<std::string_view, std::string_view>> BuiltInGraphs();

/// Where a step stands, for its mistakes.
struct StepPlace {
  std::vector<Problem>* problems;
  std::string path;
  bool may_stream = true;  // not inside parallel or map, where texts would mix
};

/// A list of steps, as one.
StepPtr ParseSteps(const YamlNode* list, Mark mark, StepPlace place);

}  // namespace tessera
