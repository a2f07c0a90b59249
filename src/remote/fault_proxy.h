#pragma once
// A TCP proxy that misbehaves as a test tells it to.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/status.h"

namespace tessera {

/// What the proxy does to its connections, those that are open included.
struct ProxyFault {
  Duration delay{0};                 ///< before each piece is passed on, either way
  bool refuse = false;               ///< new connections are reset at once
  bool black_hole = false;           ///< everything is taken, nothing is passed on
  bool half_open = false;            ///< the client's bytes pass, the server's do not
  std::size_t piece_bytes = 65536;   ///< most bytes passed on at once: a slow reader
  std::size_t cut_after = SIZE_MAX;  ///< bytes from the server, then the connection is reset
};

/// Listens at a port of its own and connects to `port`. One thread; for tests.
class FaultProxy {
 public:
  explicit FaultProxy(std::uint16_t port) : target_(port) {
    listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(0);
    CHECK(::bind(listening_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    CHECK(::listen(listening_, 128) == 0);
    socklen_t size = sizeof address;
    CHECK(::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    thread_ = std::thread([this] { Run(); });
  }
  ~FaultProxy() {
    Tell([this] { stop_ = true; });
    thread_.join();
    for (Pair& pair : pairs_) Cut(pair);
    ::close(listening_);
    ::close(wake_);
  }
  FaultProxy(const FaultProxy&) = delete;

  std::string address() const { return StrCat("127.0.0.1:", port_); }
  void Set(ProxyFault fault) {
    Tell([&] { fault_ = fault; });
  }
  /// Resets every open connection.
  void ResetAll() {
    Tell([this] { reset_ = true; });
  }
  int accepted() const { return accepted_; }

 private:
  struct Pipe {
    std::string bytes;
    SteadyTime ready_at;
    bool ended = false;
  };
  struct Pair {
    int client = -1, server = -1;
    Pipe up, down;
    std::size_t down_bytes = 0;
  };

  static sockaddr_in Loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  template <class Change>
  void Tell(Change change) {
    {
      std::lock_guard lock(mutex_);
      change();
    }
    const std::uint64_t one = 1;
    CHECK(::write(wake_, &one, sizeof one) == sizeof one);
  }
  /// With RST, so that both sides notice.
  static void Cut(Pair& pair) {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    for (int* const socket : {&pair.client, &pair.server}) {
      if (*socket < 0) continue;
      ::setsockopt(*socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      ::close(*socket);
      *socket = -1;
    }
  }
  void Accept(const ProxyFault& fault) {
    Pair pair;
    pair.client = ::accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (pair.client < 0) return;
    ++accepted_;
    if (fault.refuse) return Cut(pair);
    pair.server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(target_);
    if (::connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return Cut(pair);
    }
    ::fcntl(pair.server, F_SETFL, O_NONBLOCK);
    pairs_.push_back(std::move(pair));
  }
  // False when the connection is over.
  static bool Take(int from, Pipe& pipe, const ProxyFault& fault) {
    char buffer[65536];
    if (pipe.ended) return false;
    const ssize_t got = ::recv(from, buffer, std::min(sizeof buffer, fault.piece_bytes), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (got <= 0) {
      pipe.ended = true;
      return false;
    }
    if (pipe.bytes.empty()) pipe.ready_at = Now() + fault.delay;
    pipe.bytes.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
  static bool Give(int to, Pipe& pipe, const ProxyFault& fault) {
    if (pipe.bytes.empty() || Now() < pipe.ready_at) return true;
    const std::size_t piece = std::min(pipe.bytes.size(), fault.piece_bytes);
    const ssize_t sent = ::send(to, pipe.bytes.data(), piece, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    pipe.bytes.erase(0, static_cast<std::size_t>(sent));
    pipe.ready_at = Now() + fault.delay;
    return true;
  }
  void Serve(Pair& pair, const ProxyFault& fault) {
    constexpr std::size_t kHeld = 1 << 20;
    bool alive = true;
    if (pair.up.bytes.size() < kHeld) alive = Take(pair.client, pair.up, fault);
    const std::size_t before = pair.down.bytes.size();
    if (alive && pair.down.bytes.size() < kHeld) alive = Take(pair.server, pair.down, fault);
    pair.down_bytes += pair.down.bytes.size() - before;
    if (fault.black_hole) {
      pair.up.bytes.clear();
      pair.down.bytes.clear();
      return;  // and nobody learns that the other side has gone
    }
    if (fault.half_open) pair.down.bytes.clear();
    if (alive) alive = Give(pair.server, pair.up, fault);
    if (alive) alive = Give(pair.client, pair.down, fault);
    if (!alive || pair.down_bytes > fault.cut_after) Cut(pair);
  }
  void Run() {
    while (true) {
      ProxyFault fault;
      {
        std::lock_guard lock(mutex_);
        if (stop_) return;
        if (reset_) {
          for (Pair& pair : pairs_) Cut(pair);
          reset_ = false;
        }
        fault = fault_;
      }
      std::erase_if(pairs_, [](const Pair& pair) { return pair.client < 0; });
      std::vector<pollfd> polled = {{listening_, POLLIN, 0}, {wake_, POLLIN, 0}};
      int timeout_ms = -1;
      for (const Pair& pair : pairs_) {
        polled.push_back({pair.up.ended ? -1 : pair.client, POLLIN, 0});
        polled.push_back({pair.down.ended ? -1 : pair.server, POLLIN, 0});
        if (!pair.up.bytes.empty() || !pair.down.bytes.empty()) timeout_ms = 1;
      }
      ::poll(polled.data(), polled.size(), timeout_ms);
      if (polled[0].revents != 0) Accept(fault);
      std::uint64_t woken = 0;
      if (polled[1].revents != 0) static_cast<void>(::read(wake_, &woken, sizeof woken));
      for (Pair& pair : pairs_) Serve(pair, fault);
    }
  }

  const std::uint16_t target_;
  std::uint16_t port_ = 0;
  int listening_ = -1;
  int wake_ = -1;
  std::atomic<int> accepted_{0};
  std::mutex mutex_;
  ProxyFault fault_;
  bool reset_ = false;
  bool stop_ = false;
  std::vector<Pair> pairs_;
  std::thread thread_;
};

}  // namespace tessera
