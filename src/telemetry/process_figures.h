#pragma once
// What the operating system says of this process.

#include <string>

namespace tessera {

/// Appends it as Prometheus text, under the names that Prometheus' own client libraries use:
/// process_cpu_seconds_total, process_resident_memory_bytes, … A part of Metrics::Process().
void WriteProcessFigures(std::string& out);

/// Appends how much of each pool, loop, connection pool and queue is used (runtime/resource_use.h):
/// tessera_resource_used{kind,name} and the like. A part of Metrics::Process().
void WriteResourceUses(std::string& out);

}  // namespace tessera
