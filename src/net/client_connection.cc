#include "net/client_connection.h"

#include <algorithm>
#include <array>

#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>

#include "base/str.h"

namespace tessera {
namespace {

using boost::asio::ip::tcp;
using Resolver = boost::asio::ip::basic_resolver<tcp, IoExecutor>;

constexpr std::size_t kBufferSize = 64 << 10;

}  // namespace

ClientConnection::ClientConnection(IoLoop& loop, std::string origin)
    : loop_(loop),
      origin_(std::move(origin)),
      socket_(loop.context().get_executor()),
      parser_(HttpParser::Side::kResponses, {.head_bytes_max = kBufferSize, .fields_max = 200}),
      in_(kBufferSize) {}

ClientConnection::~ClientConnection() {
  if (timer_) TimerQueue::Process().Cancel(*timer_);
}

ClientConnection::Guard::Guard(const Ctx& ctx, ClientConnection& connection)
    : connection_(connection) {
  // While the callback can run, this guard stands in a task of the connection, which is held.
  ctx.cancel().OnCancel(on_cancel_, [cut = &connection, guard = ++connection.guard_](auto&) {
    cut->loop_.Post([weak = cut->weak_from_this(), guard] {
      if (const auto alive = weak.lock()) alive->Cut(guard);
    });
  });
  connection.deadline_ = ctx.deadline();
  if (connection.deadline_ < connection.timer_at_) connection.ArmTimer(connection.deadline_);
}

ClientConnection::Guard::~Guard() {
  ++connection_.guard_;
  connection_.deadline_ = SteadyTime::max();
}

void ClientConnection::ArmTimer(SteadyTime when) {
  if (timer_) TimerQueue::Process().Cancel(*timer_);
  timer_at_ = when;
  timer_ = TimerQueue::Process().Arm(when, [weak = weak_from_this(), loop = &loop_] {
    loop->Post([weak] {
      if (const auto alive = weak.lock()) alive->OnTimer();
    });
  });
}

void ClientConnection::OnTimer() {
  const SteadyTime now = Now();
  if (timer_at_ > now) return;  // it was armed anew while this was on its way
  timer_.reset();
  timer_at_ = SteadyTime::max();
  if (deadline_ == SteadyTime::max()) return;
  if (deadline_ <= now) {
    Cut(guard_);
  } else {
    ArmTimer(deadline_);
  }
}

void ClientConnection::Cut(std::uint64_t guard) {
  if (guard != guard_) return;
  aborted_ = true;
  error_code ignored;
  socket_.close(ignored);
}

Status ClientConnection::Failed(const Ctx& ctx, std::string_view what, const error_code& error) {
  reusable_ = false;
  Status ended = ctx.Check();
  if (!ended.ok()) return ended;
  if (aborted_) return absl::DeadlineExceededError(StrCat(what, " took too long: ", origin_));
  return absl::UnavailableError(StrCat(what, " failed: ", origin_, ": ", error.message()));
}

// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): the client owns both and
// this
Task<Status> ClientConnection::Open(Ctx ctx, const Url* url, const HttpClientConfig& config,
                                    boost::asio::ssl::context& tls) {
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
  CO_TRY(ctx.Check());
  const Ctx bounded = ctx.WithTimeout(config.connect_timeout);
  const Guard guard(bounded, *this);
  Status status = co_await Connect(url, config);
  if (status.ok() && url->scheme == "https") {
    status = co_await StartTls(url->host, config.verify_tls, tls);
  }
  if (aborted_) co_return Failed(ctx, "connecting", {});
  if (!status.ok()) co_return status;
  // The timer may have fired while the last step finished: then the socket is closed.
  reusable_ = socket_.is_open();
  co_return status;
}

// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): see Open
Task<Status> ClientConnection::Connect(const Url* url, const HttpClientConfig& config) {
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
  Resolver resolver(loop_.context().get_executor());
  Resolver::results_type results;
  const std::string port = std::to_string(url->port);
  const auto resolve = [&](auto done) {
    resolver.async_resolve(
        url->host, port, boost::asio::ip::resolver_base::numeric_service,
        [&results, done](const error_code& error, const Resolver::results_type& found) {
          results = found;
          done(error);
        });
  };
  IoWait resolved(resolve);
  error_code error = co_await resolved;
  if (error || aborted_) {
    co_return absl::UnavailableError(
        StrCat("cannot find the host ", url->host.substr(0, 100), ": ", error.message()));
  }
  // Check, then connect to that very address: a name that changes in between changes nothing.
  Status refused = absl::UnavailableError(StrCat("no address of ", url->host.substr(0, 100)));
  for (const auto& entry : results) {
    const tcp::endpoint endpoint = entry.endpoint();
    const Status allowed = config.policy.CheckAddress(*url, endpoint.address().to_string());
    if (!allowed.ok()) {
      refused = allowed;
      continue;
    }
    error_code ignored;
    socket_.close(ignored);
    const auto connect = [&](auto done) { socket_.async_connect(endpoint, std::move(done)); };
    IoWait connected(connect);
    error = co_await connected;
    if (aborted_) co_return absl::UnavailableError("cut");
    if (!error) {
      socket_.set_option(tcp::no_delay(true), ignored);
      co_return absl::OkStatus();
    }
    refused = absl::UnavailableError(StrCat("cannot connect to ", origin_, ": ", error.message()));
  }
  co_return refused;
}

// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): see Open
Task<Status> ClientConnection::StartTls(std::string host, bool verify,
                                        boost::asio::ssl::context& tls) {
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
  tls_.emplace(socket_, tls);
  SSL_set_tlsext_host_name(tls_->native_handle(), host.c_str());
  error_code error;
  if (verify) {
    tls_->set_verify_mode(boost::asio::ssl::verify_peer, error);
    tls_->set_verify_callback(boost::asio::ssl::host_name_verification(host), error);
  }
  const auto handshake = [this](auto done) {
    tls_->async_handshake(boost::asio::ssl::stream_base::client, std::move(done));
  };
  IoWait shaken(handshake);
  error = co_await shaken;
  if (error) {
    co_return absl::UnavailableError(StrCat("TLS with ", origin_, " failed: ", error.message()));
  }
  co_return absl::OkStatus();
}

Task<Status> ClientConnection::Write(Ctx ctx, std::string_view head, std::string_view body) {
  if (aborted_) co_return Failed(ctx, "sending the request", {});
  if (!tls_) {
    // Most requests fit into the socket's buffer: what does not is waited for.
    std::array<iovec, 2> parts = {iovec{const_cast<char*>(head.data()), head.size()},
                                  iovec{const_cast<char*>(body.data()), body.size()}};
    msghdr message = {};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t result =
        ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    const std::size_t sent = result > 0 ? static_cast<std::size_t>(result) : 0;
    if (sent == head.size() + body.size()) co_return absl::OkStatus();
    const std::size_t of_head = std::min(sent, head.size());
    head.remove_prefix(of_head);
    body.remove_prefix(sent - of_head);
  }
  co_return co_await WriteRest(std::move(ctx), head, body);
}

Task<Status> ClientConnection::WriteRest(Ctx ctx, std::string_view head, std::string_view body) {
  const Guard guard(ctx, *this);
  const std::array<boost::asio::const_buffer, 2> buffers = {
      boost::asio::buffer(head.data(), head.size()), boost::asio::buffer(body.data(), body.size())};
  const auto write = [&](auto done) {
    if (tls_) {
      boost::asio::async_write(*tls_, buffers, std::move(done));
    } else {
      boost::asio::async_write(socket_, buffers, std::move(done));
    }
  };
  IoWait written(write);
  const error_code error = co_await written;
  if (error || aborted_) co_return Failed(ctx, "sending the request", error);
  co_return absl::OkStatus();
}

Task<error_code> ClientConnection::ReadSome(Ctx ctx) {
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  if (in_begin_ > 0 && in_end_ == in_.size()) {
    std::copy(in_.begin() + static_cast<std::ptrdiff_t>(in_begin_), in_.end(), in_.begin());
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  if (in_end_ == in_.size()) co_return boost::asio::error::no_buffer_space;
  const Guard guard(ctx, *this);
  std::size_t got = 0;
  const auto read = [&](auto done) {
    const auto buffer = boost::asio::buffer(in_.data() + in_end_, in_.size() - in_end_);
    const auto count = [&got, done](const error_code& error, std::size_t bytes) {
      got = bytes;
      done(error);
    };
    if (tls_) {
      tls_->async_read_some(buffer, count);
    } else {
      socket_.async_read_some(buffer, count);
    }
  };
  IoWait finished(read);
  const error_code error = co_await finished;
  in_end_ += got;
  co_return error;
}

Task<Status> ClientConnection::ReadHead(Ctx ctx, bool no_body) {
  parser_.Next(no_body);
  reusable_ = false;
  while (true) {
    const std::string_view input(in_.data() + in_begin_, in_end_ - in_begin_);
    const HttpParser::Progress progress = parser_.Feed(input);
    in_begin_ += progress.used;
    if (progress.step == HttpParser::Step::kError) {
      co_return absl::UnavailableError(
          StrCat("the reply of ", origin_, " is not HTTP: ", parser_.error()));
    }
    if (progress.step == HttpParser::Step::kHead) {
      if (parser_.status() >= 200) break;
      parser_.Next(no_body);
      continue;
    }
    if (progress.used > 0) continue;
    const error_code error = co_await ReadSome(ctx);
    if (error || aborted_) co_return Failed(ctx, "reading the reply", error);
  }
  if (!parser_.has_body()) reusable_ = parser_.keep_alive();
  co_return absl::OkStatus();
}

Task<Result<std::optional<std::string>>> ClientConnection::ReadBody(Ctx ctx) {
  if (!parser_.has_body()) {
    reusable_ = parser_.keep_alive() && in_begin_ == in_end_ && socket_.is_open();
    co_return std::nullopt;
  }
  std::string piece;  // all of the body that is here
  while (true) {
    const std::string_view input(in_.data() + in_begin_, in_end_ - in_begin_);
    HttpParser::Progress progress{HttpParser::Step::kNeedMore};
    if (!input.empty()) progress = parser_.Feed(input);
    in_begin_ += progress.used;
    if (progress.step == HttpParser::Step::kError) {
      if (!piece.empty()) co_return piece;  // the next call meets the error again
      co_return absl::UnavailableError(
          StrCat("the reply of ", origin_, " is broken: ", parser_.error()));
    }
    piece.append(progress.piece);
    const bool ended = !parser_.has_body();
    if (ended) reusable_ = parser_.keep_alive() && in_begin_ == in_end_;
    if (!ended && progress.used > 0) continue;
    if (!piece.empty()) co_return piece;
    if (ended) co_return std::nullopt;
    const error_code error = co_await ReadSome(ctx);
    if (!error && !aborted_) continue;
    const bool closed = error == boost::asio::error::eof && !aborted_;
    if (closed && parser_.FeedEnd().step == HttpParser::Step::kEnd) co_return std::nullopt;
    co_return Failed(ctx, "reading the reply", error);
  }
}

bool ClientConnection::StillOpen() {
  char byte = 0;
  const ssize_t got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace tessera
