#include "remote/peer_connection.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"

namespace tessera {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(20);

}  // namespace

Task<Result<Http2ConnectionPtr>> PeerConnection::Get(Ctx ctx) {
  for (int tries = 0; tries < 3; ++tries) {
    if (closing_) co_return absl::CancelledError("the channel is closed");
    if (connection_ && connection_->usable()) co_return connection_;
    if (!in_progress_ && Now() < retry_at_) co_return last_error_;
    Waiter waiter(ctx);
    waiting_.push_back(waiter.handle());
    if (!std::exchange(in_progress_, true)) {
      // May have connected when this returns.
      const bool begun = connecting_.Spawn(loop_, Connect());
      if (!begun) co_return absl::CancelledError("the channel is closed");
    }
    CO_TRY(co_await waiter);
  }
  co_return absl::UnavailableError(
      StrCat("the peer at ", config_.address, " takes no calls on any connection"));
}

Task<void> PeerConnection::Connect() {
  const Ctx ctx = Ctx(nullptr, connecting_.token()).WithTimeout(config_.connect_timeout);
  Result<StreamAddress> address = ParseStreamAddress(config_.address);
  if (!address.ok()) {
    Connected(address.status());
  } else {
    Result<int> socket = co_await Dial(loop_, ctx, *std::move(address));
    co_await SwitchTo(loop_);
    Connected(std::move(socket));
  }
}

void PeerConnection::Connected(Result<int> socket) {
  in_progress_ = false;
  if (socket.ok()) {
    failures_ = 0;
    connection_ =
        Http2Connection::Start(loop_, *socket, Http2Connection::Side::kClient, config_.http2, {},
                               [self = shared_from_this()](Http2Connection& closed) {
                                 self->all_.erase(closed.shared_from_this());
                                 if (self->connection_.get() == &closed) self->connection_.reset();
                                 if (self->all_.empty() && self->all_closed_) {
                                   self->all_closed_->Complete(absl::OkStatus());
                                 }
                               });
    all_.insert(connection_);
    if (closing_) connection_->Abort("the channel is closed");
  } else {
    last_error_ = socket.status();
    failures_ = std::min(failures_ + 1, 10);
    const Duration pause =
        std::min(kFirstPause * (1 << failures_) / 2, config_.reconnect_after_max);
    // Jitter, so that the callers of a peer that comes back do not come all at once.
    retry_at_ = Now() + pause / 2 + pause / 2 * static_cast<int>(RandomId() % 1000) / 1000;
  }
  const Status status = socket.ok() ? absl::OkStatus() : socket.status();
  for (const WaiterHandle& waiter : std::exchange(waiting_, {})) waiter.Complete(status);
}

Task<void> PeerConnection::Close() {
  co_await SwitchTo(loop_);
  closing_ = true;
  const Status stopped = co_await connecting_.Stop(Ctx());
  co_await SwitchTo(loop_);
  Waiter waiter{Ctx()};
  if (!all_.empty()) {
    all_closed_ = waiter.handle();
    for (const Http2ConnectionPtr& connection : all_) connection->Abort("the channel is closed");
    const Status ignored = co_await waiter;
  }
}

}  // namespace tessera
