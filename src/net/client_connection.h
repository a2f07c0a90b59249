#pragma once
// One outbound connection. Only for net's own .cc files.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "net/http_client.h"
#include "net/http_parser.h"
#include "net/socket.h"
#include "runtime/timer.h"

namespace tessera {

/// Lives on one loop: its tasks are run there. Held by shared_ptr, because what cancels it may come
/// late. Of what it is given as views or pointers, the caller holds what they point to until the
/// task has ended.
class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  ClientConnection(IoLoop& loop, std::string origin);
  ~ClientConnection();

  /// Resolves, checks every address, connects, and does TLS for https.
  Task<Status> Open(Ctx ctx, const Url* url, const HttpClientConfig& config,
                    boost::asio::ssl::context& tls);
  Task<Status> Write(Ctx ctx, std::string_view head, std::string_view body = {});
  /// Reads the head of the reply; 1xx are skipped.
  Task<Status> ReadHead(Ctx ctx, bool no_body);
  /// The next piece of the body; nothing at its end.
  Task<Result<std::optional<std::string>>> ReadBody(Ctx ctx);

  HttpParser& parser() { return parser_; }
  IoLoop& loop() { return loop_; }
  const std::string& origin() const { return origin_; }
  SteadyTime idle_since() const { return idle_since_; }
  /// True when the reply was read to its end and another request may follow.
  bool reusable() const { return reusable_ && !aborted_; }
  /// Called when it becomes idle, and when it is taken up again: false when the peer has closed.
  void BeginIdle() { idle_since_ = Now(); }
  bool StillOpen();

 private:
  /// Stands around a wait: while it lives, the end of ctx cuts the connection.
  class Guard {
   public:
    Guard(const Ctx& ctx, ClientConnection& connection);
    ~Guard();
    Guard(const Guard&) = delete;

   private:
    ClientConnection& connection_;
    CancelCallback on_cancel_;
  };

  Task<Status> Connect(const Url* url, const HttpClientConfig& config);
  Task<Status> StartTls(std::string host, bool verify, boost::asio::ssl::context& tls);
  Task<Status> WriteRest(Ctx ctx, std::string_view head, std::string_view body);
  Task<error_code> ReadSome(Ctx ctx);
  void Cut(std::uint64_t guard);
  void ArmTimer(SteadyTime when);
  void OnTimer();
  Status Failed(const Ctx& ctx, std::string_view what, const error_code& error);

  IoLoop& loop_;
  const std::string origin_;
  TcpSocket socket_;
  std::optional<boost::asio::ssl::stream<TcpSocket&>> tls_;
  HttpParser parser_;
  std::vector<char> in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  bool aborted_ = false;
  std::uint64_t guard_ = 0;  ///< counts guards, so that a late cut does not hit the next one
  SteadyTime deadline_ = SteadyTime::max();  ///< of the wait that is guarded
  // One timer for all waits: it stays armed when a wait ends, and where it fires before its time it
  // is armed again, which is once in a deadline instead of twice in a call.
  SteadyTime timer_at_ = SteadyTime::max();
  std::optional<TimerQueue::Key> timer_;
  bool reusable_ = false;
  SteadyTime idle_since_;
};

}  // namespace tessera
