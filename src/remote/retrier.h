#pragma once
// Whether a call that failed is sent again, and when. Only for remote's own .cc files.

#include <optional>

#include "remote/cluster_state.h"

namespace tessera {

/// How an attempt ended for its endpoint. `lasted`: the attempt; `cut`: by its own time-out.
Outcome Judge(const Status& status, Duration lasted, bool cut);

/// Of one call, over all its attempts.
class Retrier {
 public:
  Retrier(ClusterState& state, const MethodInfo& method)
      : state_(state), idempotent_(method.idempotent) {}

  /// The pause before the next attempt; nothing when `status` is the call's. `cut`: the attempt's
  /// own time-out ended it.
  std::optional<Duration> Next(const Status& status, bool cut, const Ctx& ctx, const Tried& tried);

 private:
  Duration Backoff(int attempt) const;

  ClusterState& state_;
  const bool idempotent_;
  int sent_ = 0;
  int unsent_ = 0;
  bool lost_ = false;
};

}  // namespace tessera
