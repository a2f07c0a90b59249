#pragma once
// Handover: how the one writer of some state on the disk changes while it serves.

#include "base/ctx.h"
#include "base/status.h"
#include "base/task.h"

namespace tessera {

/// An instance of a service whose state has one writer at a time (docs/adr/0012). It is in one of
/// four states: standby, active, yielded, forwarding. A move is: the new one is opened as standby,
/// Yield(old), Activate(new), all routes are switched to the new one, Forward(old), the old one
/// drains and stops. Every call is idempotent and may be repeated after a failure; at most one at
/// a time, the next waits. Calls that only read what is on the disk are served in every state.
class Handover {
 public:
  virtual ~Handover() = default;

  /// Catches up with the disk, takes the lease (the next fencing token: whoever wrote before can
  /// write no more, paused or not) and writes from here on; what waited goes on. After Yield on
  /// the same instance: the move was called off. UNAVAILABLE: another process holds the file in
  /// the middle of a write; try again, or end that process.
  virtual Task<Status> Activate(Ctx ctx) = 0;

  /// Finishes the writes that run, then writes no more. Calls that would write wait from here on,
  /// bounded, within their deadlines. Nothing to do for one that is not active.
  virtual Task<Status> Yield(Ctx ctx) = 0;

  /// The successor is active and the routes point to it: what waits here, and whatever still comes
  /// that writes, goes to it through the router that was given at opening. FAILED_PRECONDITION for
  /// one that is active, or has no router.
  virtual Task<Status> Forward(Ctx ctx) = 0;
};

}  // namespace tessera
