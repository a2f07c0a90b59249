#pragma once
// The HTTP/1.1 client for everything that the server fetches: guarded, bounded, cancellable.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "net/http.h"
#include "net/io_loop.h"
#include "net/outbound.h"

namespace tessera {

struct HttpClientConfig {
  OutboundPolicy policy;
  Duration connect_timeout = std::chrono::seconds(10);      ///< resolving, connecting, TLS
  Duration head_timeout = std::chrono::seconds(120);        ///< until the reply's head
  Duration stall_timeout = std::chrono::seconds(60);        ///< without a byte of the reply's body
  std::uint64_t reply_bytes_max = std::uint64_t{64} << 20;  ///< of a body, decoded
  std::uint32_t redirects_max = 5;
  std::uint32_t idle_connections_max = 32;
  Duration idle_timeout = std::chrono::seconds(20);
  bool verify_tls = true;
  std::string ca_file;  ///< empty: the system's certificates
  /// PEM, of this side, for servers that ask for it; empty: none.
  std::string certificate_file;
  std::string key_file;
  std::string user_agent = "tessera";
};

struct HttpClientRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string url;
  HttpHeaders headers;
  std::string body;
  /// Instead of `body`: exactly `stream_size` bytes, sent as they are pulled; never sent twice.
  StreamPtr<std::string> stream;
  std::uint64_t stream_size = 0;
};

/// A reply's head; the body is pulled. Dropping the body closes the connection; reading it to its
/// end lets it be used again.
struct HttpClientReply {
  int status = 0;
  HttpHeaders headers;
  std::string url;  ///< after redirects
  StreamPtr<std::string> body;
};

/// Thread-safe. Redirects of GET and HEAD are followed, each checked anew; credentials do not go to
/// another origin. Errors: INVALID_ARGUMENT (URL), PERMISSION_DENIED (policy), UNAVAILABLE
/// (connection), DEADLINE_EXCEEDED, CANCELLED, RESOURCE_EXHAUSTED (too large). HTTP statuses are
/// not errors.
class HttpClient {
 public:
  /// `loops` outlives the client and its replies.
  HttpClient(HttpClientConfig config, IoLoops& loops);
  ~HttpClient();

  Task<Result<HttpClientReply>> Send(Ctx ctx, HttpClientRequest request);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The whole body as text; RESOURCE_EXHAUSTED beyond `bytes_max`.
Task<Result<std::string>> ReadAll(Ctx ctx, StreamPtr<std::string> body, std::uint64_t bytes_max);

}  // namespace tessera
