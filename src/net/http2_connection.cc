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
constexpr int kReadsPerTurn = 4;
// Deadlines closer together than this share a wake-up.
constexpr Duration kTimerGrain = std::chrono::milliseconds(1);

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
                                                        Closed on_closed) {
  // tidy: the constructor is private, so that no connection lives outside a shared_ptr
  std::shared_ptr<Http2Connection> connection(
      new Http2Connection(loop, socket, side, limits, std::move(accept), std::move(on_closed)));
  connection->Arm(connection->last_read_ + limits.preface_timeout);
  connection->WaitReadable();
  connection->WantFlush();
  return connection;
}

Http2Connection::Http2Connection(IoLoop& loop, int socket, Side side, const Http2Limits& limits,
                                 Http2Session::Accept accept, Closed on_closed)
    : loop_(loop),
      side_(side),
      limits_(limits),
      socket_(std::make_unique<Socket>(loop, socket)),
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
  thread_local std::array<char, kReadBytes> buffer;
  in_turn_ = true;
  std::string broken;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t got = ::recv(socket_->socket.native_handle(), buffer.data(), buffer.size(), 0);
    if (got == 0) {
      broken = "the peer closed the connection";
      break;
    }
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) broken = StrCat("the connection broke: ", std::strerror(errno));
      break;
    }
    last_read_ = CycleClock::ToSteady(CycleClock::Now());
    pinged_ = SteadyTime::max();
    const Status fed = session_.Feed({buffer.data(), static_cast<std::size_t>(got)});
    if (!fed.ok()) {
      broken = std::string(fed.message());
      break;
    }
    if (static_cast<std::size_t>(got) < buffer.size()) break;
  }
  if (broken.empty()) session_.RunEvents();
  in_turn_ = false;
  Flush();
  if (!broken.empty()) Close(Http2Error::kCancel, broken);
  if (!closed_) WaitReadable();
}

void Http2Connection::WantFlush() {
  if (in_turn_ || flush_posted_ || closed_) return;
  flush_posted_ = true;
  boost::asio::post(loop_.context(), [self = shared_from_this()] {
    self->flush_posted_ = false;
    if (!self->closed_) self->Flush();
  });
}

void Http2Connection::Flush() {
  while (!waiting_writable_ && !closed_) {
    if (out_sent_ == out_.size()) {
      out_.clear();
      out_sent_ = 0;
      if (!session_.Produce(out_, kSendBytes)) break;
    }
    const ssize_t sent = ::send(socket_->socket.native_handle(), out_.data() + out_sent_,
                                out_.size() - out_sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      out_sent_ += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) {
      Close(Http2Error::kCancel, StrCat("the connection broke: ", std::strerror(errno)));
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
  if (!closed_ && (session_.finished() || drained)) {
    Close(Http2Error::kRefusedStream, "the connection was drained");
  }
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
  in_turn_ = true;
  SteadyTime next = session_.PassDeadlines(now);
  if (go_away_at_ <= now && go_away_at_ != SteadyTime::min()) {
    go_away_at_ = SteadyTime::min();
    session_.GoAway();
  } else if (go_away_at_ != SteadyTime::min()) {
    next = std::min(next, go_away_at_);
  }
  next = std::min(next, CheckAlive(now));
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
    Close(Http2Error::kCancel, "the peer does not speak HTTP/2");
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
  if (closed_ || go_away_at_ != SteadyTime::max()) return;
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

void Http2Connection::Close(Http2Error error, const std::string& reason) {
  if (closed_) return;
  closed_ = true;
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
