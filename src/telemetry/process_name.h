#pragma once
// How this process is called wherever it tells of itself: in traces, figures and logs.

#include <string>

namespace tessera {

/// The process with the gateway is called as its group, also when another one takes its place.
struct ProcessName {
  std::string group;    ///< of the platform's topology
  std::string process;  ///< "inference-0"
};

/// From the return on. Thread-safe.
void SetProcessName(ProcessName name);
ProcessName CurrentProcessName();

}  // namespace tessera
