#pragma once
// Where a peer listens: a Unix socket or a TCP port; listening there and connecting to it.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/ctx.h"
#include "base/task.h"
#include "net/io_loop.h"

namespace tessera {

/// "unix:/run/tessera/retrieval.sock", "unix:@abstract", "127.0.0.1:8081", "[::1]:8081",
/// "host:8081".
struct StreamAddress {
  bool is_unix = false;
  std::string host;  ///< of a Unix socket: its path
  std::uint16_t port = 0;

  std::string ToString() const;
};

Result<StreamAddress> ParseStreamAddress(std::string_view text);

/// Connects, on `loop`, and gives the socket. UNAVAILABLE when nobody listens there.
Task<Result<int>> Dial(IoLoop& loop, Ctx ctx, StreamAddress address);

/// A listening socket on a loop. Made, stopped and destroyed on any thread.
class StreamListener {
 public:
  /// Gets every connection, on the listener's loop, as a socket that it then owns.
  using Accept = std::function<void(int socket)>;

  /// A stale Unix socket, at which nobody listens, is replaced; a TCP host must be an address.
  static Result<std::unique_ptr<StreamListener>> Listen(const StreamAddress& address, IoLoop& loop,
                                                        Accept accept);
  /// Goes on with a listening socket that another process handed over.
  static Result<std::unique_ptr<StreamListener>> Adopt(int listening, IoLoop& loop, Accept accept);
  ~StreamListener();

  std::uint16_t port() const;
  /// A second handle of the listening socket, for a successor to adopt; it is the caller's. The
  /// file of a Unix socket stays when this listener stops.
  int HandOver();
  /// Whether connections are taken; true at first. With true the socket is this listener's again.
  void TakeConnections(bool takes);
  /// Returns when no connection is taken any more.
  Task<void> Stop();

 private:
  struct State;
  explicit StreamListener(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tessera
