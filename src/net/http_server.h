#pragma once
// The HTTP/1.1 server: accepts, reads requests, hands them to a service, sends replies.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/http.h"
#include "net/io_loop.h"

namespace tessera {

/// Limits of a server. Every one holds for each connection unless it says otherwise.
struct HttpServerConfig {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;               ///< 0: any free one, see HttpServer::port()
  std::uint32_t connections_max = 10'000;  ///< of the whole server; more are told 503 and closed
  std::uint32_t head_bytes_max = 16 << 10;
  std::uint32_t fields_max = 100;
  std::uint32_t target_bytes_max = 8 << 10;
  Duration head_timeout = std::chrono::seconds(10);         ///< for a whole head (slowloris)
  Duration idle_timeout = std::chrono::seconds(75);         ///< between requests
  Duration body_stall_timeout = std::chrono::seconds(20);   ///< without a byte of the body
  std::uint32_t body_bytes_per_second_min = 256;            ///< on average, after ten seconds
  Duration write_stall_timeout = std::chrono::seconds(60);  ///< a reader that takes nothing
  std::uint32_t requests_per_connection_max = 100'000;
  Duration leave_idle_timeout = std::chrono::seconds(3);  ///< between requests, after Leave()
  std::vector<int> adopted;  ///< listening sockets of a predecessor, instead of the address
};

/// Serves one address from all loops (SO_REUSEPORT). Thread-safe.
class HttpServer {
 public:
  /// `service` and `loops` outlive the server; `blocking` runs file reads.
  HttpServer(HttpServerConfig config, HttpService& service, IoLoops& loops, Executor& blocking);
  /// Closes what is left; call Drain() first to end well.
  ~HttpServer();

  /// Binds and listens; ALREADY_EXISTS-like errors say what to do.
  Status Start();
  std::uint16_t port() const;
  std::size_t connections() const;

  /// Second handles of the listening sockets, for a successor's `adopted`; they are the caller's.
  /// What waits to be accepted is not lost when this server drains.
  Result<std::vector<int>> HandOver() const;
  /// From Start on: whether connections are taken. Meanwhile they wait, or a successor takes them.
  void Accept(bool accepts);
  /// Accepts no more; a connection ends with its next reply, or when it is not used for a while.
  /// Returns when none is left, or when ctx ends; Drain() is still to come.
  Task<Status> Leave(Ctx ctx);
  /// Stops accepting, lets requests in flight finish, closes idle connections. When ctx ends first,
  /// the rest is cancelled and cut, and its status is returned.
  Task<Status> Drain(Ctx ctx);

 private:
  struct State;
  Task<Status> End(Ctx ctx);
  std::shared_ptr<State> state_;
};

}  // namespace tessera
