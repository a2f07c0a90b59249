#pragma once
// Whether the platform, seen from its gateway, can serve calls.

#include <atomic>
#include <string>

#include "control/local_group.h"
#include "edge/health.h"

namespace tessera {

/// Looks at what this process knows already, without asking others: quick, and as often as probes
/// like. Thread-safe.
class PlatformHealth {
 public:
  /// `group` is the gateway's process and outlives this; `data` is the data folder.
  PlatformHealth(const LocalGroup& group, std::string data);

  /// A check for each service that calls are led to, one for the disk, and one while it stops.
  HealthReport Look() const;
  /// From now on it is not ready, though what comes is still served.
  void BeginStopping() { stopping_ = true; }

 private:
  const LocalGroup& group_;
  const std::string data_;
  std::atomic<bool> stopping_{false};
};

}  // namespace tessera
