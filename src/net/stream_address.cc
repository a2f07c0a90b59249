#include "net/stream_address.h"

#include <cerrno>
#include <cstring>
#include <optional>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "base/str.h"
#include "net/socket.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

using boost::asio::ip::tcp;
using AnySocket =
    boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, IoExecutor>;
using Resolver = boost::asio::ip::basic_resolver<tcp, IoExecutor>;
using Timer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, IoExecutor>;

constexpr int kBacklog = 1024;
constexpr int kAcceptsPerTurn = 64;

struct RawAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

RawAddress RawUnix(const std::string& path) {
  RawAddress raw;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const bool abstract = path.starts_with('@');
  if (abstract) address.sun_path[0] = '\0';
  raw.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  std::memcpy(&raw.storage, &address, sizeof address);
  return raw;
}

RawAddress RawTcp(const tcp::endpoint& endpoint) {
  RawAddress raw;
  raw.size = static_cast<socklen_t>(endpoint.size());
  std::memcpy(&raw.storage, endpoint.data(), endpoint.size());
  return raw;
}

Status SystemError(std::string_view what, const StreamAddress& address) {
  return absl::UnavailableError(StrCat(what, " ", address.ToString(), ": ", std::strerror(errno)));
}

// No Nagle; a peer that has vanished is noticed within about half a minute, pings or not. Without
// effect on Unix sockets.
void TuneTcp(int socket) {
  const auto set = [socket](int level, int option, int value) {
    ::setsockopt(socket, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 20);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 4);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
}

/// Cuts a wait of a socket when a call ends.
class CutOnEnd {
 public:
  CutOnEnd(IoLoop& loop, const Ctx& ctx, std::shared_ptr<AnySocket> socket) {
    const auto cut = [&loop, weak = std::weak_ptr(socket)] {
      loop.Post([weak] {
        error_code ignored;
        if (const auto alive = weak.lock()) alive->close(ignored);
      });
    };
    ctx.cancel().OnCancel(on_cancel_, [cut](const Status&) { cut(); });
    if (ctx.has_deadline()) timer_ = TimerQueue::Process().Arm(ctx.deadline(), cut);
  }
  ~CutOnEnd() {
    if (timer_) TimerQueue::Process().Cancel(*timer_);
  }
  CutOnEnd(const CutOnEnd&) = delete;

 private:
  CancelCallback on_cancel_;
  std::optional<TimerQueue::Key> timer_;
};

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): loops outlive their work
Task<Result<int>> Connect(IoLoop& loop, Ctx ctx, StreamAddress address, RawAddress raw) {
  const int fd = ::socket(raw.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return SystemError("cannot make a socket for", address);
  if (!address.is_unix) TuneTcp(fd);
  auto socket = std::make_shared<AnySocket>(loop.context().get_executor());
  error_code error;
  socket->assign(boost::asio::generic::stream_protocol(raw.storage.ss_family, 0), fd, error);
  const CutOnEnd cut(loop, ctx, socket);
  if (::connect(fd, raw.get(), raw.size) != 0) {
    if (errno != EINPROGRESS) co_return SystemError("cannot connect to", address);
    const auto wait = [&](auto done) { socket->async_wait(AnySocket::wait_write, done); };
    IoWait connected(wait);
    error = co_await connected;
    CO_TRY(ctx.Check());
    int result = 0;
    socklen_t size = sizeof result;
    if (error || ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &size) != 0 || result != 0) {
      errno = result != 0 ? result : ECANCELED;
      co_return SystemError("cannot connect to", address);
    }
  }
  CO_TRY(ctx.Check());
  co_return socket->release(error);
}

Result<int> ListenAt(const StreamAddress& address, const RawAddress& raw) {
  const int fd = ::socket(raw.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError("cannot make a socket for", address);
  const int one = 1;
  if (!address.is_unix) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(fd, raw.get(), raw.size) != 0 || ::listen(fd, kBacklog) != 0) {
    Status failed = SystemError("cannot listen on", address);
    ::close(fd);
    return failed;
  }
  return fd;
}

// Removes the file of a Unix socket at which nobody listens any more.
void RemoveStale(const StreamAddress& address, const RawAddress& raw) {
  struct stat found{};
  if (::lstat(address.host.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) return;
  if (::connect(probe, raw.get(), raw.size) != 0 && errno == ECONNREFUSED) {
    ::unlink(address.host.c_str());
  }
  ::close(probe);
}

}  // namespace

std::string StreamAddress::ToString() const {
  if (is_unix) return StrCat("unix:", host);
  const bool v6 = host.find(':') != std::string::npos;
  return StrCat(v6 ? "[" : "", host, v6 ? "]:" : ":", port);
}

Result<StreamAddress> ParseStreamAddress(std::string_view text) {
  StreamAddress address;
  if (text.starts_with("unix:")) {
    address.is_unix = true;
    address.host = text.substr(5);
    if (address.host.size() < 2 || address.host.size() > 107 ||
        address.host.find('\0') != std::string::npos) {
      return absl::InvalidArgumentError(
          StrCat("\"", text, "\" is no address: a Unix socket's path has 2 to 107 bytes"));
    }
    return address;
  }
  const std::size_t colon = text.rfind(':');
  int port = -1;
  if (colon != std::string_view::npos) {
    if (!absl::SimpleAtoi(AbslView(text.substr(colon + 1)), &port)) port = -1;
    text = text.substr(0, colon);
  }
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  if (text.empty() || port < 0 || port > 65535) {
    return absl::InvalidArgumentError("an address is HOST:PORT, [IPv6]:PORT or unix:PATH");
  }
  address.host = text;
  address.port = static_cast<std::uint16_t>(port);
  return address;
}

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): loops outlive their work
Task<Result<int>> Dial(IoLoop& loop, Ctx ctx, StreamAddress address) {
  co_await SwitchTo(loop);
  CO_TRY(ctx.Check());
  if (address.is_unix) co_return co_await Connect(loop, ctx, address, RawUnix(address.host));
  Resolver resolver(loop.context().get_executor());
  Resolver::results_type results;
  const std::string port = std::to_string(address.port);
  const auto resolve = [&](auto done) {
    resolver.async_resolve(address.host, port, boost::asio::ip::resolver_base::numeric_service,
                           [&results, done](const error_code& error, const auto& found) {
                             results = found;
                             done(error);
                           });
  };
  IoWait resolved(resolve);
  const error_code error = co_await resolved;
  if (error) {
    co_return absl::UnavailableError(
        StrCat("cannot find the host of ", address.ToString(), ": ", error.message()));
  }
  Result<int> connected = absl::UnavailableError(StrCat("no address of ", address.ToString()));
  for (const auto& entry : results) {
    connected = co_await Connect(loop, ctx, address, RawTcp(entry.endpoint()));
    if (connected.ok()) break;
  }
  co_return connected;
}

struct StreamListener::State : std::enable_shared_from_this<State> {
  State(IoLoop& on, Accept to)
      : loop(on),
        accept(std::move(to)),
        socket(on.context().get_executor()),
        pause(on.context().get_executor()) {}

  void Wait() {
    if (!takes.load() || waits) return;
    waits = true;
    socket.async_wait(AnySocket::wait_read, [self = shared_from_this()](const error_code& error) {
      self->waits = false;
      if (!error && self->socket.is_open()) self->Take();
      // Told to go on before it had heard that it was to stop.
      if (error && self->socket.is_open()) self->Wait();
    });
  }

  void Take() {
    errno = 0;
    for (int i = 0; takes.load() && i < kAcceptsPerTurn; ++i) {
      const int fd =
          ::accept4(socket.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        TuneTcp(fd);
        accept(fd);
      } else if (errno != EINTR && errno != ECONNABORTED) {
        break;
      }
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      pause.expires_after(std::chrono::milliseconds(100));
      pause.async_wait([self = shared_from_this()](const error_code& error) {
        if (!error && self->socket.is_open()) self->Wait();
      });
      return;
    }
    Wait();
  }

  IoLoop& loop;
  const Accept accept;
  AnySocket socket;
  Timer pause;
  std::string path;  // of a Unix socket that this listener made
  ino_t inode = 0;
  std::uint16_t port = 0;
  bool stopped = false;
  bool waits = false;  // on the loop
  std::atomic<bool> takes{true};
  std::atomic<bool> keeps_name{false};
};

StreamListener::StreamListener(std::shared_ptr<State> state) : state_(std::move(state)) {}

StreamListener::~StreamListener() { CHECK(state_->stopped); }

Result<std::unique_ptr<StreamListener>> StreamListener::Listen(const StreamAddress& address,
                                                               IoLoop& loop, Accept accept) {
  RawAddress raw;
  const bool file = address.is_unix && !address.host.starts_with('@');
  if (address.is_unix) {
    raw = RawUnix(address.host);
    if (file) RemoveStale(address, raw);
  } else {
    error_code error;
    const auto ip = boost::asio::ip::make_address(address.host, error);
    if (error) {
      return absl::InvalidArgumentError(
          StrCat("cannot listen on \"", address.host, "\": not an IP address"));
    }
    raw = RawTcp(tcp::endpoint(ip, address.port));
  }
  TRY(const int fd, ListenAt(address, raw));
  TRY(std::unique_ptr<StreamListener> listener, Adopt(fd, loop, std::move(accept)));
  if (file) {
    struct stat made{};
    ::chmod(address.host.c_str(), 0600);
    if (::stat(address.host.c_str(), &made) == 0) listener->state_->inode = made.st_ino;
    listener->state_->path = address.host;
  }
  return listener;
}

Result<std::unique_ptr<StreamListener>> StreamListener::Adopt(int listening, IoLoop& loop,
                                                              Accept accept) {
  auto state = std::make_shared<State>(loop, std::move(accept));
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  error_code error;
  if (::getsockname(listening, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return absl::InvalidArgumentError("what was handed over is not a socket");
  }
  if (bound.ss_family != AF_UNIX) {
    tcp::endpoint endpoint;
    std::memcpy(endpoint.data(), &bound, size);
    endpoint.resize(size);
    state->port = endpoint.port();
  }
  state->socket.assign(boost::asio::generic::stream_protocol(bound.ss_family, 0), listening, error);
  if (error) return absl::InternalError(StrCat("cannot listen: ", error.message()));
  state->socket.non_blocking(true, error);
  loop.Post([state] {
    if (state->socket.is_open()) state->Wait();
  });
  // tidy: the constructor is private
  return std::unique_ptr<StreamListener>(new StreamListener(std::move(state)));
}

std::uint16_t StreamListener::port() const { return state_->port; }

int StreamListener::HandOver() {
  state_->keeps_name = true;
  return ::fcntl(state_->socket.native_handle(), F_DUPFD_CLOEXEC, 0);
}

void StreamListener::TakeConnections(bool takes) {
  state_->takes.store(takes);
  if (takes) state_->keeps_name = false;
  state_->loop.Post([state = state_] {
    error_code ignored;
    if (!state->socket.is_open()) return;
    if (!state->takes.load()) state->socket.cancel(ignored);
    if (state->takes.load()) state->Wait();
  });
}

Task<void> StreamListener::Stop() {
  Executor* const home = Executor::Current();
  co_await SwitchTo(state_->loop);
  if (!state_->stopped) {
    state_->stopped = true;
    error_code ignored;
    state_->pause.cancel();
    // Not close(): a successor's handle would keep the socket in this loop's set.
    ::close(state_->socket.release(ignored));
    // Only while the name is still ours: a successor may have taken it.
    struct stat found{};
    if (!state_->path.empty() && !state_->keeps_name && ::stat(state_->path.c_str(), &found) == 0 &&
        found.st_ino == state_->inode) {
      ::unlink(state_->path.c_str());
    }
  }
  if (home != nullptr) co_await SwitchTo(*home);
}

}  // namespace tessera
