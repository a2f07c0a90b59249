#pragma once
// HTTP requests and replies as handlers see them: no sockets, no parser types.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/ctx.h"
#include "base/status.h"
#include "base/stream.h"
#include "net/http_headers.h"

namespace tessera {

enum class HttpMethod : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions };

std::string_view Name(HttpMethod method);
std::optional<HttpMethod> ParseMethod(std::string_view name);
/// "Not Found" of 404; "" when unknown.
std::string_view ReasonPhrase(int status);

/// A request whose head was read. The body is in `body` or comes through `stream`, as the route
/// asked. Move only.
struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string target;  ///< as it was sent
  std::string path;    ///< percent-decoded and checked: begins with '/', no "." or ".." segments
  std::string query;   ///< behind '?', as it was sent
  HttpHeaders headers;
  std::vector<std::pair<std::string, std::string>> params;  ///< {name} segments of the route
  std::string peer;                                         ///< "127.0.0.1:40312"
  bool peer_is_loopback = false;
  const void* admitted = nullptr;  ///< left by HttpService::Admit for Handle
  bool keep_alive = true;
  std::optional<std::uint64_t> content_length;  ///< absent: none, or chunked
  /// Request id and trace are set by the server, the principal by HttpService::Admit. Moved into
  /// the Ctx before the handler runs.
  RequestInfo info;
  std::uint64_t parent_span = 0;  ///< of the caller, from traceparent; 0: there was none
  std::string body;               ///< of routes with BodyKind::kBuffered, content codings undone
  StreamPtr<std::string> stream;  ///< of routes with BodyKind::kStreamed: pieces as they arrive

  /// Value of the route's segment {name}; "" when the route has none of that name.
  std::string_view Param(std::string_view name) const;
  /// Decoded value of the first query parameter `name`.
  std::optional<std::string> Query(std::string_view name) const;
};

/// A part of a file as a body; read in pieces while it is sent.
struct FileBody {
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// Bytes that outlive the reply: embedded assets, or shared ones kept by `owner`.
struct SharedBody {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
};

/// The answer to a request. A stream is pulled piece by piece; a piece is sent before the next is
/// asked for, so a slow reader slows the producer, and one that left ends it (the stream is
/// destroyed and its Ctx cancelled). A stream that ends in an error cuts the connection: send an
/// error event first where the protocol has one.
struct HttpReply {
  int status = 200;
  HttpHeaders headers;
  std::variant<std::string, SharedBody, FileBody, StreamPtr<std::string>> body;
  bool close = false;  ///< the connection ends with this reply

  static HttpReply Empty(int status);
  static HttpReply Text(int status, std::string text,
                        std::string_view media_type = "text/plain; charset=utf-8");
  static HttpReply Json(int status, std::string json);
  static HttpReply Redirect(int status, std::string_view location);
  /// Sends pieces as they come, chunked.
  static HttpReply Streamed(int status, std::string_view media_type, StreamPtr<std::string> pieces);
  /// A text/event-stream; each piece holds whole events (see net/sse.h).
  static HttpReply EventStream(StreamPtr<std::string> events);
};

/// Which body a request may have.
enum class BodyKind : std::uint8_t { kNone, kBuffered, kStreamed };

/// What a service says to a request's head, before its body is read.
struct Admission {
  std::optional<HttpReply> refusal;  ///< sent instead of calling Handle
  BodyKind body = BodyKind::kNone;
  std::uint64_t body_max = 0;  ///< bytes, after content codings are undone
};

/// What a server serves. Called on the io loop of the connection; implementations must not hold the
/// thread for more than a millisecond. Thread-safe: loops call at the same time.
class HttpService {
 public:
  virtual ~HttpService() = default;
  /// Decides on the head alone: route, permission, limits. May set request.info and request.params.
  virtual Admission Admit(HttpRequest& request) = 0;
  /// Answers. `ctx` is cancelled when the client leaves or the server stops.
  virtual Task<HttpReply> Handle(Ctx ctx, HttpRequest request) = 0;
  /// The reply to a request that could not be read (bad head, too large, too slow). `request` is
  /// nullptr when its head was not understood.
  virtual HttpReply OnBadRequest(const HttpRequest* request, int status,
                                 std::string_view detail) = 0;
  /// After a reply was sent, or not (`sent` false: the client left).
  virtual void OnSent(const Ctx& ctx, int status, std::uint64_t bytes, bool sent) {}
};

}  // namespace tessera
