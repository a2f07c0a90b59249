// Any text as a graph: it becomes steps, or mistakes with their places.
#include <cstdint>
#include <string>

#include "services/orchestration/graph.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  const auto graph = tessera::ParseGraph(yaml, "f");
  if (graph.ok()) {
    CHECK(graph->steps != nullptr && !graph->name.empty() && graph->yaml == yaml);
  } else {
    CHECK(absl::IsInvalidArgument(graph.status()));
    CHECK(tessera::StdView(graph.status().message()).starts_with("f:"));
  }
  return 0;
}
