#pragma once
// An HTTP/2 connection (cleartext, prior knowledge) over a TCP or Unix socket, on one loop.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "net/http2_session.h"
#include "net/io_loop.h"

namespace tessera {

/// Keeps itself alive while its socket is open. All calls on its loop, but Post… and the getters
/// that say so. Writes are coalesced: what a turn of the loop produces goes out in one send.
class Http2Connection : public std::enable_shared_from_this<Http2Connection> {
 public:
  using Side = Http2Session::Side;
  using Closed = std::function<void(Http2Connection&)>;

  /// Takes over `socket`, a connected stream socket. `on_closed` is called once, at the end.
  static std::shared_ptr<Http2Connection> Start(IoLoop& loop, int socket, Side side,
                                                const Http2Limits& limits,
                                                Http2Session::Accept accept, Closed on_closed);
  ~Http2Connection();

  IoLoop& loop() { return loop_; }
  /// True while new streams may be opened.
  bool usable() const { return !closed_ && !session_.going_away(); }
  bool closed() const { return closed_; }
  std::size_t streams() const { return session_.streams(); }

  Result<Http2StreamPtr> Open(std::span<const Http2Field> fields, bool end,
                              std::shared_ptr<Http2User> user) {
    return session_.Open(fields, end, std::move(user));
  }

  /// Says GOAWAY, lets open streams finish, then closes.
  void Drain();
  /// Closes at the loop's next turn; streams end with `reason`.
  void Abort(std::string reason);

 private:
  struct Socket;
  Http2Connection(IoLoop& loop, int socket, Side side, const Http2Limits& limits,
                  Http2Session::Accept accept, Closed on_closed);

  void WaitReadable();
  void OnReadable();
  void WantFlush();
  void Flush();
  void Arm(SteadyTime when);
  void OnTimer();
  SteadyTime CheckAlive(SteadyTime now);
  void Close(Http2Error error, const std::string& reason);

  IoLoop& loop_;
  const Side side_;
  const Http2Limits limits_;
  std::unique_ptr<Socket> socket_;
  Closed on_closed_;
  std::string out_;
  std::size_t out_sent_ = 0;
  bool in_turn_ = false;  ///< the turn that runs will flush
  bool flush_posted_ = false;
  bool waiting_writable_ = false;
  bool closed_ = false;
  bool aborting_ = false;
  SteadyTime armed_ = SteadyTime::max();
  const SteadyTime started_;
  SteadyTime last_read_;
  SteadyTime go_away_at_ = SteadyTime::max();
  SteadyTime pinged_ = SteadyTime::max();
  Http2Session session_;
};

using Http2ConnectionPtr = std::shared_ptr<Http2Connection>;

}  // namespace tessera
