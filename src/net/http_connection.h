#pragma once
// One client's connection: reads requests one after the other, answers in order. Only for net.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "net/http_parser.h"
#include "net/http_server.h"
#include "net/socket.h"
#include "runtime/resource_use.h"

namespace tessera {

/// What all connections of a server share. Thread-safe parts are atomic or constant.
struct HttpServerShared {
  HttpServerShared(HttpServerConfig settings, HttpService& served, Executor& files)
      : config(std::move(settings)),
        service(served),
        blocking(files),
        probe("connections", "http", [this] {
          ResourceUse use;
          use.capacity = config.connections_max;
          use.used = static_cast<std::int64_t>(connections.load(std::memory_order_relaxed));
          use.rejected = refused.load(std::memory_order_relaxed);
          return use;
        }) {}
  const HttpServerConfig config;
  HttpService& service;
  Executor& blocking;
  std::atomic<bool> draining{false};
  std::atomic<bool> leaving{false};
  std::atomic<std::size_t> connections{0};
  std::atomic<std::uint64_t> refused{0};
  ResourceProbe probe;
};

/// Lives on one loop: every member but the constructor runs there.
class HttpConnection {
 public:
  HttpConnection(HttpServerShared& shared, IoLoop& loop, TcpSocket socket, std::string peer,
                 bool peer_is_loopback);
  ~HttpConnection();

  /// Serves until the connection ends.
  Task<void> Run();
  /// Called by the loop's clock a few times a second: ends waits that last too long.
  void Tick(SteadyTime now);
  /// Draining began: an idle connection ends, a busy one says "close" with its reply.
  void Drain();
  /// Leaving began: an idle connection is not kept for long.
  void Leave();
  /// Cancels the request and cuts the connection.
  void Abort(Status reason);

 private:
  friend class HttpBodyStream;
  enum class Phase : std::uint8_t { kIdle, kHead, kBody, kHandling, kWriting };
  enum class Outcome : std::uint8_t { kKeepAlive, kClose };

  Task<Outcome> ServeOne();
  Task<bool> ReadHead();
  Task<Outcome> Exchange(HttpRequest request);
  Status FillRequest(HttpRequest& request);
  Task<Status> ReadBody(HttpRequest& request, std::uint64_t bytes_max);
  /// The next piece of the body (valid until the next read), nothing at its end.
  Task<Result<std::optional<std::string_view>>> NextPiece();
  Task<bool> DrainBody();
  Task<Outcome> Refuse(const HttpRequest* request, int status, std::string detail);
  Task<HttpReply> CallService(Ctx ctx, HttpRequest request);

  Task<Outcome> SendReply(Ctx ctx, HttpReply reply, bool head_only, bool keep_alive);
  void AppendHead(const HttpReply& reply, std::optional<std::uint64_t> size, bool chunked,
                  bool keep_alive);
  Task<Status> SendStream(Ctx ctx, StreamPtr<std::string> pieces, bool chunked);
  Task<Status> AppendPiece(std::string piece, bool chunked);
  /// Sends of `out_` what the socket takes without waiting.
  void SendSome();
  Task<Status> SendFile(FileBody file);
  Task<Status> Write(std::string_view first, std::string_view second = {},
                     std::string_view third = {});
  Task<void> Linger();

  // Input: one read at a time, begun by whoever needs bytes or wants to see the client leave.
  void StartRead();
  void OnRead(const error_code& error, std::size_t bytes);
  std::string_view input() const { return {in_.data() + in_begin_, in_end_ - in_begin_}; }
  void Consume(std::size_t bytes);
  Task<bool> ReadMore();
  void Watch();
  void SetDeadline(Duration timeout);
  Duration IdleTimeout() const;

  HttpServerShared& shared_;
  IoLoop& loop_;
  TcpSocket socket_;
  const std::string peer_;
  const bool peer_is_loopback_;
  HttpParser parser_;

  std::vector<char> in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  bool reading_ = false;
  bool ended_ = false;     ///< the peer closed, the socket failed, or draining cut an idle wait
  bool watching_ = false;  ///< the handler runs: a read that ends means the client left
  std::coroutine_handle<> reader_;

  Phase phase_ = Phase::kIdle;
  SteadyTime deadline_ = SteadyTime::max();
  bool timed_out_ = false;
  bool broken_ = false;  ///< the body's framing makes no sense: nothing behind it can be read
  bool body_done_ = true;
  bool expect_continue_ = false;
  std::uint64_t body_bytes_ = 0;
  SteadyTime body_began_;
  std::uint64_t sent_bytes_ = 0;
  std::uint32_t requests_ = 0;
  std::string out_;  ///< a reply's head, and small pieces behind it, until they are sent
  std::string request_id_;
  std::shared_ptr<CancelSource> cancel_;        ///< of the request being handled
  std::shared_ptr<HttpConnection*> body_gate_;  ///< null inside once the request is over
};

}  // namespace tessera
