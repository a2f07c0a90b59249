#pragma once
// The HTTP/2 protocol of one connection, without its socket: bytes in, bytes out, streams beside.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/status.h"
#include "net/http2_stream.h"

struct nghttp2_session;

namespace tessera {

/// Wraps nghttp2. Not thread-safe: lives on its connection's loop. Not to be destroyed from inside
/// one of its own calls.
class Http2Session {
 public:
  enum class Side : std::uint8_t { kClient, kServer };
  /// A server's: gives a stream that a peer opened its user.
  using Accept = std::function<std::shared_ptr<Http2User>(const Http2StreamPtr&)>;

  struct Hooks {
    std::function<void()> want_flush;             ///< there is something to Produce()
    std::function<void(SteadyTime)> on_deadline;  ///< a stream got this deadline
  };

  Http2Session(Side side, const Http2Limits& limits, Accept accept, Hooks hooks);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;

  /// Takes what the peer sent. An error ends the connection (GOAWAY is still to be produced).
  Status Feed(std::string_view bytes);
  /// Appends about `bytes_max` of what is to be sent; false when there was nothing.
  bool Produce(std::string& out, std::size_t bytes_max);
  /// Tells the users of streams what has changed. Not to be called from inside a user.
  void RunEvents();

  /// A client's: begins a stream. UNAVAILABLE when the connection takes no more.
  Result<Http2StreamPtr> Open(std::span<const Http2Field> fields, bool end,
                              std::shared_ptr<Http2User> user);

  /// The two halves of a graceful end: no stream is lost that was on its way in between.
  void AnnounceGoAway();
  void GoAway(Http2Error error = Http2Error::kNoError);
  void Ping();
  /// Closes every stream, as broken by `reason`.
  void CloseAll(Http2Error error, const std::string& reason);
  /// Marks streams whose deadline is at or before `now`; gives the next deadline.
  SteadyTime PassDeadlines(SteadyTime now);

  std::size_t streams() const { return streams_.size(); }
  bool peer_said_hello() const { return hello_; }
  /// The peer takes no new streams, or this side said so.
  bool going_away() const { return going_away_; }
  bool finished() const;

 private:
  friend class Http2Stream;
  friend struct Http2Callbacks;

  void QueueEvent(Http2Stream& stream);
  void WantFlush() { hooks_.want_flush(); }
  void SendHeaders(Http2Stream& stream, std::span<const Http2Field> fields, bool end);
  void Reset(std::int32_t id, Http2Error error);
  void Consume(std::int32_t id, std::size_t bytes);
  void Resume(Http2Stream& stream);
  void Release(std::int32_t id, Http2Error error);
  /// False of one that the peer has skipped: it may not come back to it.
  bool NoteStreamId(std::int32_t id);
  // Frames that make work and carry nothing are paid for by frames that carry something, and by
  // time.
  bool SpendControl();
  void EarnControl();
  void RefillControl();

  const Side side_;
  const Http2Limits limits_;
  const Accept accept_;
  const Hooks hooks_;
  nghttp2_session* session_ = nullptr;
  absl::flat_hash_map<std::int32_t, Http2StreamPtr> streams_;
  std::vector<Http2StreamPtr> events_;
  std::vector<Http2StreamPtr> running_events_;
  std::string* out_ = nullptr;  ///< where data frames go while Produce runs
  std::string closing_;         ///< why CloseAll was called
  bool hello_ = false;
  bool going_away_ = false;
  std::int32_t last_opened_ = 0;                                ///< by the peer
  std::vector<std::pair<std::int32_t, std::int32_t>> skipped_;  ///< ids that it left out
  double control_credit_;
  SteadyTime control_time_;
};

}  // namespace tessera
