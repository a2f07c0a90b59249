#pragma once
// One stream of an HTTP/2 connection: what has come, and what is to go.

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/http2.h"

namespace tessera {

class Http2Session;
struct Http2Callbacks;

/// Who uses a stream. Held by the stream until that is closed.
class Http2User {
 public:
  virtual ~Http2User() = default;
  /// Something has changed: see the stream. Called on the connection's loop, never from inside a
  /// call of this stream; once more, as the last, when the stream is closed.
  virtual void OnEvent() = 0;
};

/// Touched on its connection's loop only. After it is closed every call is without effect.
class Http2Stream : public std::enable_shared_from_this<Http2Stream> {
 public:
  Http2Stream(Http2Session* session, std::int32_t id) : session_(session), id_(id) {}

  // What has come.
  bool has_headers() const { return has_headers_; }
  const Http2Headers& headers() const { return headers_; }
  const Http2Headers& trailers() const { return trailers_; }
  /// The peer's header block was above the limit, and cut.
  bool headers_too_large() const { return too_large_; }
  /// The peer has said all it had to say.
  bool ended() const { return ended_; }
  /// Nothing comes or goes any more.
  bool closed() const { return session_ == nullptr; }
  Http2Error error() const { return error_; }
  /// Why the whole connection ended, when that closed the stream.
  const std::string& why_closed() const { return why_closed_; }
  bool deadline_passed() const { return deadline_passed_; }

  /// Bytes of the body that were not dropped yet.
  std::string_view body() const { return std::string_view(in_).substr(in_begin_); }
  /// The first `bytes` of body() are done with.
  void Drop(std::size_t bytes);
  /// Lets the peer send so many bytes more: back-pressure is not calling this.
  void Consume(std::size_t bytes);

  // What is to go. Sent when the loop's turn ends, together with what others send.
  void SendHeaders(std::span<const Http2Field> fields, bool end);
  void Write(std::string bytes);
  /// The end, after what was written; with trailers when there are any.
  void End(std::span<const Http2Field> trailers = {});
  void Reset(Http2Error error);
  std::size_t unsent() const { return out_.size() - out_sent_; }
  /// False while the peer is slower than the writer: OnEvent tells when that is over.
  bool writable();

  /// OnEvent is called when it passes while the stream is open.
  void SetDeadline(SteadyTime deadline);
  void SetUser(std::shared_ptr<Http2User> user) { user_ = std::move(user); }

 private:
  friend class Http2Session;
  friend struct Http2Callbacks;

  Http2Session* session_;
  std::int32_t id_;
  std::shared_ptr<Http2User> user_;
  Http2Headers headers_;
  Http2Headers trailers_;
  std::string in_;
  std::size_t in_begin_ = 0;
  std::string out_;
  std::size_t out_sent_ = 0;
  std::vector<std::pair<std::string, std::string>> out_trailers_;
  SteadyTime deadline_ = SteadyTime::max();
  Http2Error error_ = Http2Error::kNoError;
  std::string why_closed_;
  bool has_headers_ = false;
  bool too_large_ = false;
  bool ended_ = false;
  bool out_ended_ = false;     ///< End was called
  bool out_deferred_ = false;  ///< the session waits for more to send
  bool was_full_ = false;      ///< the writer was told to wait
  bool event_queued_ = false;
  bool deadline_passed_ = false;
};

using Http2StreamPtr = std::shared_ptr<Http2Stream>;

}  // namespace tessera
