#pragma once
// What probes and balancers are told.

#include <string>
#include <vector>

namespace tessera {

/// One thing that was looked at. Anybody may read it: no addresses, paths or keys.
struct HealthCheck {
  enum class State {
    kGood,
    kWarning,  ///< calls are served, but not as they should be
    kFailed,   ///< calls that need it are not served
  };
  std::string name;
  State state = State::kGood;
  std::string reason;  ///< why it is not good, and where it can be told, how to mend it
};

struct HealthReport {
  std::vector<HealthCheck> checks;
  /// That no check failed.
  bool ready() const;
  /// {"status":"ready", "degraded" or "not_ready","checks":[{"name","status","reason"},…]}
  std::string ToJson() const;
};

}  // namespace tessera
