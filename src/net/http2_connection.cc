#include "net/http2_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <sys/socket.h>

#include "net/socket.h"

namespace tessera {
namespace {

using AnySocket =
    boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, IoExecutor>;
using Timer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, IoExecutor>;

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kSendBytes = 64 << 10;
constexpr std::size_t kRecordBytes = 16 << 10;  // of TLS
constexpr int kReadsPerTurn = 4;
// Deadlines closer together than this share a wake-up.
constexpr Duration kTimerGrain = std::chrono::milliseconds(1);
// How long a drained connection waits for its peer to hang up.
constexpr Duration kLingerTimeout = std::chrono::seconds(2);

}  // namespace

struct Http2Connection::Socket {
  Socket(IoLoop& loop, int fd)
      : socket(loop.context().get_executor()), timer(loop.context().get_executor()) {
    error_code ignored;
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    socket.assign(boost::asio::generic::stream_protocol(address.ss_family, 0), fd, ignored);
    socket.non_blocking(true, ignored);
  }
  AnySocket socket;
  Timer timer;
};

std::shared_ptr<Http2Connection> Http2Connection::Start(IoLoop& loop, int socket, Side side,
                                                        const Http2Limits& limits,
                                                        Http2Session::Accept accept,
                                                        Closed on_closed,
                                                        std::unique_ptr<TlsSession> tls) {
  // tidy: the constructor is private, so that no connection lives outside a shared_ptr
  std::shared_ptr<Http2Connection> connection(new Http2Connection(
      loop, socket, side, limits, std::move(accept), std::move(on_closed), std::move(tls)));
  if (connection->tls_ && !connection->tls_->Begin().ok()) connection->tls_failed_ = true;
  connection->Arm(connection->last_read_ + limits.preface_timeout);
  connection->WaitReadable();
  connection->WantFlush();
  return connection;
}

Http2Connection::Http2Connection(IoLoop& loop, int socket, Side side, const Http2Limits& limits,
                                 Http2Session::Accept accept, Closed on_closed,
                                 std::unique_ptr<TlsSession> tls)
    : loop_(loop),
      side_(side),
      limits_(limits),
      socket_(std::make_unique<Socket>(loop, socket)),
      tls_(std::move(tls)),
      on_closed_(std::move(on_closed)),
      started_(Now()),
      last_read_(started_),
      session_(side, limits, std::move(accept),
               {.want_flush = [this] { WantFlush(); },
                .on_deadline = [this](SteadyTime when) { Arm(when); }}) {}

Http2Connection::~Http2Connection() = default;

void Http2Connection::WaitReadable() {
  socket_->socket.async_wait(AnySocket::wait_read,
                             [self = shared_from_this()](const error_code& error) {
                               if (!error && !self->closed_) self->OnReadable();
                             });
}

void Http2Connection::OnReadable() {
  if (lingering_) {
    Discard();
    if (!closed_) WaitReadable();
    return;
  }
  in_turn_ = true;
  const std::string broken = ReadSome();
  if (broken.empty()) CheckReady();
  if (broken.empty()) session_.RunEvents();
  in_turn_ = false;
  Flush();
  if (!broken.empty()) Close(Http2Error::kCancel, broken);
  if (!closed_) WaitReadable();
}

// What is there, up to a limit; gives why no more will come.
std::string Http2Connection::ReadSome() {
  thread_local std::array<char, kReadBytes> buffer;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t got = ::recv(socket_->socket.native_handle(), buffer.data(), buffer.size(), 0);
    if (got == 0) return "the peer closed the connection";
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      return StrCat("the connection broke: ", std::strerror(errno));
    }
    last_read_ = CycleClock::ToSteady(CycleClock::Now());
    pinged_ = SteadyTime::max();
    const Status fed = Take({buffer.data(), static_cast<std::size_t>(got)});
    if (!fed.ok()) return std::string(fed.message());
    if (static_cast<std::size_t>(got) < buffer.size()) break;
  }
  return "";
}

Status Http2Connection::Take(std::string_view wire) {
  if (!tls_) return session_.Feed(wire);
  thread_local std::array<char, kRecordBytes> plain;
  const bool stranger = !tls_->established();
  tls_->Receive(wire);
  while (true) {
    const Result<std::size_t> got = tls_->Read(plain.data(), plain.size());
    if (!got.ok()) {
      tls_failed_ = !tls_->finished();
      return got.status();
    }
    if (*got == 0) break;
    TRY(session_.Feed({plain.data(), *got}));
  }
  if (stranger && tls_->established()) {
    const auto left = std::chrono::milliseconds(tls_->not_after_ms() - WallMillis());
    drain_at_ = Now() + std::max(Duration(left) / 4 * 3, Duration::zero());
    Arm(drain_at_);
  }
  return absl::OkStatus();
}

void Http2Connection::CheckReady() {
  if (!on_ready_ || !session_.peer_said_hello()) return;
  std::exchange(on_ready_, nullptr)();
}

std::shared_ptr<const TlsPeer> Http2Connection::peer() const {
  return tls_ && tls_->established() ? tls_->peer() : nullptr;
}

// A peer that refuses this side says why, and hangs up: that is to be read before it is dropped.
std::string Http2Connection::WhyBroken(int error) {
  if (tls_ && !tls_failed_) {
    std::string told = ReadSome();
    if (tls_failed_) return told;
  }
  return StrCat("the connection broke: ", std::strerror(error));
}

void Http2Connection::WantFlush() {
  if (in_turn_ || flush_posted_ || closed_) return;
  flush_posted_ = true;
  boost::asio::post(loop_.context(), [self = shared_from_this()] {
    self->flush_posted_ = false;
    if (!self->closed_) self->Flush();
  });
}

// Puts what is to be sent into out_; false when there is nothing.
bool Http2Connection::Fill() {
  if (!tls_) return session_.Produce(out_, kSendBytes);
  tls_->Produce(out_);
  if (!tls_->established() || tls_failed_) return !out_.empty();
  plain_.clear();
  if (session_.Produce(plain_, kSendBytes) && !tls_->Write(plain_, out_).ok()) tls_failed_ = true;
  return !out_.empty();
}

void Http2Connection::Flush() {
  if (lingering_) return;
  while (!waiting_writable_ && !closed_) {
    if (out_sent_ == out_.size()) {
      out_.clear();
      out_sent_ = 0;
      if (!Fill()) break;
    }
    const ssize_t sent = ::send(socket_->socket.native_handle(), out_.data() + out_sent_,
                                out_.size() - out_sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      out_sent_ += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      Close(Http2Error::kCancel, WhyBroken(errno));
      return;
    }
    waiting_writable_ = true;
    socket_->socket.async_wait(AnySocket::wait_write,
                               [self = shared_from_this()](const error_code& error) {
                                 self->waiting_writable_ = false;
                                 if (!error && !self->closed_) self->Flush();
                               });
  }
  session_.RunEvents();
  const bool drained =
      go_away_at_ == SteadyTime::min() && session_.streams() == 0 && out_sent_ == out_.size();
  if (!closed_ && (session_.finished() || drained)) Linger();
}

// Closing at once would answer what the peer still sends with a reset, which may reach it before
// it has read the end of the last reply.
void Http2Connection::Linger() {
  lingering_ = true;
  SayGoodbye();
  ::shutdown(socket_->socket.native_handle(), SHUT_WR);
  linger_until_ = Now() + kLingerTimeout;
  Arm(linger_until_);
}

void Http2Connection::Discard() {
  thread_local std::array<char, kReadBytes> buffer;
  const ssize_t got = ::recv(socket_->socket.native_handle(), buffer.data(), buffer.size(), 0);
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return;
  Close(Http2Error::kRefusedStream, "the connection was drained");
}

void Http2Connection::Arm(SteadyTime when) {
  if (when + kTimerGrain > armed_ || closed_) return;
  armed_ = when;
  socket_->timer.expires_at(when);
  socket_->timer.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error && !self->closed_) self->OnTimer();
  });
}

void Http2Connection::OnTimer() {
  armed_ = SteadyTime::max();
  const SteadyTime now = Now();
  if (lingering_) {
    if (now < linger_until_) return Arm(linger_until_);
    return Close(Http2Error::kRefusedStream, "the connection was drained");
  }
  in_turn_ = true;
  SteadyTime next = session_.PassDeadlines(now);
  if (go_away_at_ <= now && go_away_at_ != SteadyTime::min()) {
    go_away_at_ = SteadyTime::min();
    session_.GoAway();
  } else if (go_away_at_ != SteadyTime::min()) {
    next = std::min(next, go_away_at_);
  }
  if (drain_at_ <= now) {
    drain_at_ = SteadyTime::max();
    Drain();
  }
  next = std::min({next, drain_at_, CheckAlive(now)});
  session_.RunEvents();
  in_turn_ = false;
  if (closed_) return;
  Flush();
  if (next != SteadyTime::max()) Arm(std::max(next, now + kTimerGrain));
}

// When to look again.
SteadyTime Http2Connection::CheckAlive(SteadyTime now) {
  if (!session_.peer_said_hello()) {
    const SteadyTime limit = started_ + limits_.preface_timeout;
    if (now < limit) return limit;
    const bool silent = tls_ && !tls_->established();
    Close(Http2Error::kCancel, silent ? "the peer did not finish the TLS handshake in time"
                                      : "the peer does not speak HTTP/2");
    return SteadyTime::max();
  }
  if (limits_.ping_after <= Duration::zero()) return SteadyTime::max();
  if (pinged_ != SteadyTime::max()) {
    if (now < pinged_ + limits_.ping_timeout) return pinged_ + limits_.ping_timeout;
    Close(Http2Error::kCancel, "the peer does not answer pings");
    return SteadyTime::max();
  }
  if (now < last_read_ + limits_.ping_after) return last_read_ + limits_.ping_after;
  pinged_ = now;
  session_.Ping();
  return now + limits_.ping_timeout;
}

void Http2Connection::Drain() {
  if (closed_ || lingering_ || go_away_at_ != SteadyTime::max()) return;
  if (side_ == Side::kClient) {
    go_away_at_ = SteadyTime::min();
    session_.GoAway();
    return;
  }
  session_.AnnounceGoAway();
  go_away_at_ = Now() + limits_.drain_notice;
  Arm(go_away_at_);
}

void Http2Connection::Abort(std::string reason) {
  if (closed_ || aborting_) return;
  aborting_ = true;
  boost::asio::post(loop_.context(), [self = shared_from_this(), reason = std::move(reason)] {
    if (self->closed_) return;
    self->session_.GoAway();
    self->Flush();
    self->Close(Http2Error::kCancel, reason);
  });
}

// An alert says more than a closed socket. If it cannot go now, so be it.
void Http2Connection::SayGoodbye() {
  if (!tls_ || waiting_writable_) return;
  tls_->Finish();
  tls_->Produce(out_);
  ::send(socket_->socket.native_handle(), out_.data() + out_sent_, out_.size() - out_sent_,
         MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Http2Connection::Close(Http2Error error, const std::string& reason) {
  if (closed_) return;
  closed_ = true;
  why_closed_ = reason;
  if (!lingering_) SayGoodbye();
  error_code ignored;
  socket_->timer.cancel();
  socket_->socket.close(ignored);
  session_.CloseAll(error, reason);
  // Not here: a user may be running.
  boost::asio::post(loop_.context(), [self = shared_from_this()] {
    self->session_.RunEvents();
    if (self->on_closed_) self->on_closed_(*self);
  });
}

}  // namespace tessera
