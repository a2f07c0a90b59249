#pragma once
// One loop's connection to a peer: made when wanted, replaced when lost. Only for remote's own .cc
// files.

#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "net/http2_connection.h"
#include "net/stream_address.h"
#include "remote/channel.h"
#include "runtime/scope.h"
#include "runtime/waiter.h"

namespace tessera {

/// Touched on its loop only. Held by shared_ptr: its connections may end late.
class PeerConnection : public std::enable_shared_from_this<PeerConnection> {
 public:
  PeerConnection(IoLoop& loop, const RemoteChannelConfig& config) : loop_(loop), config_(config) {}

  IoLoop& loop() { return loop_; }
  /// One that takes new streams. UNAVAILABLE when the peer cannot be reached, at once while a
  /// failed attempt is recent.
  Task<Result<Http2ConnectionPtr>> Get(Ctx ctx);
  /// The peer has been reached on another loop: no pause before the next attempt.
  void ForgetFailures() {
    failures_ = 0;
    retry_at_ = SteadyTime();
  }
  /// No connection from here on; returns when all have ended.
  Task<void> Close();

 private:
  void Begin();
  Task<void> Connect();
  Status Connected(Result<int> socket);
  void Ready(const Http2ConnectionPtr& connection);
  void Failed(const Status& why);
  void Closed(Http2Connection& connection);
  bool Outdated() const;

  IoLoop& loop_;
  const RemoteChannelConfig& config_;
  Http2ConnectionPtr connection_;
  Http2ConnectionPtr shaking_;    ///< connected, but the peer has not proved itself yet
  std::uint64_t generation_ = 0;  ///< of the identity that `connection_` was made with
  std::uint64_t next_generation_ = 0;
  std::unordered_set<Http2ConnectionPtr> all_;  ///< those that still finish their calls, too
  std::vector<WaiterHandle> waiting_;
  std::optional<WaiterHandle> all_closed_;
  Scope connecting_;
  bool in_progress_ = false;
  bool closing_ = false;
  int failures_ = 0;
  SteadyTime retry_at_;
  Status last_error_;
};

}  // namespace tessera
