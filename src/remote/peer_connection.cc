#include "remote/peer_connection.h"

#include <algorithm>
#include <utility>

#include <unistd.h>

#include "base/ids.h"

namespace tessera {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(20);

}  // namespace

Task<Result<Http2ConnectionPtr>> PeerConnection::Get(Ctx ctx) {
  for (int tries = 0; tries < 3; ++tries) {
    if (closing_) co_return absl::CancelledError("the channel is closed");
    if (connection_ && connection_->usable()) {
      // Its successor is made beside it, so that no call waits for a handshake.
      if (Outdated() && !in_progress_ && Now() >= retry_at_) Begin();
      co_return connection_;
    }
    if (!in_progress_ && Now() < retry_at_) co_return last_error_;
    Waiter waiter(ctx);
    waiting_.push_back(waiter.handle());
    if (!in_progress_) Begin();
    CO_TRY(co_await waiter);
  }
  co_return absl::UnavailableError(
      StrCat("the peer at ", config_.address, " takes no calls on any connection"));
}

bool PeerConnection::Outdated() const {
  return config_.tls && generation_ != config_.tls->generation();
}

void PeerConnection::Begin() {
  in_progress_ = true;
  // May have connected when this returns.
  if (!connecting_.Spawn(loop_, Connect())) Failed(absl::CancelledError("the channel is closed"));
}

Task<void> PeerConnection::Connect() {
  const Ctx ctx = Ctx(nullptr, connecting_.token()).WithTimeout(config_.connect_timeout);
  Result<StreamAddress> address = ParseStreamAddress(config_.address);
  Status status = address.status();
  if (status.ok()) {
    Result<int> socket = co_await Dial(loop_, ctx, *std::move(address));
    co_await SwitchTo(loop_);
    status = Connected(std::move(socket));
  }
  if (!status.ok()) Failed(status);
}

Status PeerConnection::Connected(Result<int> socket) {
  TRY(const int fd, std::move(socket));
  Http2Limits limits = config_.http2;
  std::unique_ptr<TlsSession> tls;
  if (config_.tls) {
    next_generation_ = config_.tls->generation();
    Result<std::unique_ptr<TlsSession>> session = config_.tls->NewClient(config_.expected_peer);
    if (!session.ok()) {
      ::close(fd);
      return session.status();
    }
    tls = *std::move(session);
    limits.preface_timeout = std::min(limits.preface_timeout, config_.connect_timeout);
  }
  const bool shakes = tls != nullptr;
  const Http2ConnectionPtr connection = Http2Connection::Start(
      loop_, fd, Http2Connection::Side::kClient, limits, {},
      [self = shared_from_this()](Http2Connection& closed) { self->Closed(closed); },
      std::move(tls));
  all_.insert(connection);
  if (shakes) {
    shaking_ = connection;
    connection->WhenReady([self = shared_from_this()] {
      const Http2ConnectionPtr ready = std::exchange(self->shaking_, nullptr);
      if (ready) self->Ready(ready);
    });
  } else {
    Ready(connection);
  }
  if (closing_) connection->Abort("the channel is closed");
  return absl::OkStatus();
}

void PeerConnection::Ready(const Http2ConnectionPtr& connection) {
  in_progress_ = false;
  failures_ = 0;
  generation_ = next_generation_;
  const Http2ConnectionPtr before = std::exchange(connection_, connection);
  if (before) before->Drain();
  for (const WaiterHandle& waiter : std::exchange(waiting_, {})) waiter.Complete(absl::OkStatus());
}

void PeerConnection::Failed(const Status& why) {
  in_progress_ = false;
  last_error_ = why;
  failures_ = std::min(failures_ + 1, 10);
  const Duration pause = std::min(kFirstPause * (1 << failures_) / 2, config_.reconnect_after_max);
  // Jitter, so that the callers of a peer that comes back do not come all at once.
  retry_at_ = Now() + pause / 2 + pause / 2 * static_cast<int>(RandomId() % 1000) / 1000;
  for (const WaiterHandle& waiter : std::exchange(waiting_, {})) waiter.Complete(why);
}

void PeerConnection::Closed(Http2Connection& closed) {
  all_.erase(closed.shared_from_this());
  if (connection_.get() == &closed) connection_.reset();
  if (shaking_.get() == &closed) {
    shaking_.reset();
    Failed(absl::UnavailableError(
        StrCat("no connection to the peer at ", config_.address, ": ", closed.why_closed())));
  }
  if (all_.empty() && all_closed_) all_closed_->Complete(absl::OkStatus());
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
