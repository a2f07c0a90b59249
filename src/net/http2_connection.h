#pragma once
// An HTTP/2 connection over a TCP or Unix socket, on one loop: cleartext with prior knowledge, or
// TLS.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "net/http2_session.h"
#include "net/io_loop.h"
#include "net/tls.h"

namespace tessera {

/// Keeps itself alive while its socket is open. All calls on its loop, but Post… and the getters
/// that say so. Writes are coalesced: what a turn of the loop produces goes out in one send.
class Http2Connection : public std::enable_shared_from_this<Http2Connection> {
 public:
  using Side = Http2Session::Side;
  using Closed = std::function<void(Http2Connection&)>;

  /// Takes over `socket`, a connected stream socket. `on_closed` is called once, at the end. With
  /// `tls` nothing is said, and no stream accepted, before the peer has proved who it is; and the
  /// connection is drained when three quarters of what is left of its certificates have passed.
  static std::shared_ptr<Http2Connection> Start(IoLoop& loop, int socket, Side side,
                                                const Http2Limits& limits,
                                                Http2Session::Accept accept, Closed on_closed,
                                                std::unique_ptr<TlsSession> tls = nullptr);
  ~Http2Connection();

  IoLoop& loop() { return loop_; }
  /// True while new streams may be opened.
  bool usable() const { return !closed_ && !lingering_ && !session_.going_away(); }
  bool closed() const { return closed_; }
  std::size_t streams() const { return session_.streams(); }
  /// `done` is called once, when the peer's SETTINGS have come: a peer that checks certificates has
  /// accepted this side's. Never when the connection ends before. To be set in the turn of Start.
  void WhenReady(std::function<void()> done) { on_ready_ = std::move(done); }
  /// Who is there; null without TLS, and before the handshake has ended.
  std::shared_ptr<const TlsPeer> peer() const;
  /// Why it closed; and whether that was TLS's doing, such as a certificate that was refused.
  const std::string& why_closed() const { return why_closed_; }
  bool tls_failed() const { return tls_failed_; }

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
                  Http2Session::Accept accept, Closed on_closed, std::unique_ptr<TlsSession> tls);

  void WaitReadable();
  void OnReadable();
  std::string ReadSome();
  Status Take(std::string_view wire);
  bool Fill();
  void CheckReady();
  std::string WhyBroken(int error);
  void WantFlush();
  void Flush();
  void Linger();
  void Discard();
  void SayGoodbye();
  void Arm(SteadyTime when);
  void OnTimer();
  SteadyTime CheckAlive(SteadyTime now);
  void Close(Http2Error error, const std::string& reason);

  IoLoop& loop_;
  const Side side_;
  const Http2Limits limits_;
  std::unique_ptr<Socket> socket_;
  const std::unique_ptr<TlsSession> tls_;
  Closed on_closed_;
  std::function<void()> on_ready_;
  std::string plain_;  ///< to be packed by TLS
  std::string out_;
  std::size_t out_sent_ = 0;
  bool in_turn_ = false;  ///< the turn that runs will flush
  bool flush_posted_ = false;
  bool waiting_writable_ = false;
  bool closed_ = false;
  bool lingering_ = false;  ///< has sent its last; waits for the peer to hang up
  bool aborting_ = false;
  bool tls_failed_ = false;
  std::string why_closed_;
  SteadyTime armed_ = SteadyTime::max();
  const SteadyTime started_;
  SteadyTime last_read_;
  SteadyTime go_away_at_ = SteadyTime::max();
  SteadyTime linger_until_ = SteadyTime::max();
  SteadyTime pinged_ = SteadyTime::max();
  SteadyTime drain_at_ = SteadyTime::max();  ///< its certificates end some time after
  Http2Session session_;
};

using Http2ConnectionPtr = std::shared_ptr<Http2Connection>;

}  // namespace tessera
