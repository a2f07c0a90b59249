#pragma once
// The file that `tessera up --topology` was given: when it changes, the platform moves.

#include <mutex>
#include <string>

#include "base/executor.h"
#include "runtime/scope.h"
#include "tessera/v1/topology.tessera.h"

namespace tessera {

/// Looks at the file every second. A text with mistakes is logged and changes nothing; one that
/// comes during a move waits for its end. Stop() before it is destroyed.
class TopologyFile {
 public:
  /// `applied` is the text that holds already.
  TopologyFile(std::string path, std::string applied, Topology& topology);
  void Start(Executor& disk);
  /// The text that was applied, or was refused, last. Thread-safe.
  std::string seen() const;
  Task<Status> Stop() { return scope_.Stop(Ctx()); }

 private:
  Task<void> Watch();
  Task<void> Look();

  const std::string path_;
  Topology& topology_;
  mutable std::mutex mutex_;
  std::string seen_;     ///< under mutex_: the text that was applied, or was refused
  std::string pending_;  ///< the text at the last look: applied when it has not changed since
  Scope scope_;
};

}  // namespace tessera
