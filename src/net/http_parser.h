#pragma once
// HTTP/1.1 framing: where a message's head, body and end lie in a byte stream. Beast's parser does
// the work; this file adds what it lets through (RFC 9112's smuggling cases).

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace tessera {

struct HttpParserLimits {
  std::uint32_t head_bytes_max = 16 << 10;
  std::uint32_t fields_max = 100;
  std::uint32_t target_bytes_max = 8 << 10;
};

/// Reads one message after the other out of a stream. Not thread-safe.
class HttpParser {
 public:
  enum class Step : std::uint8_t {
    kNeedMore,  ///< feed again, with these bytes and more
    kHead,      ///< the head is complete
    kBody,      ///< `piece` holds a part of the body
    kEnd,       ///< the message is complete
    kError,     ///< see error_status() and error()
  };
  struct Progress {
    Step step;
    std::size_t used = 0;    ///< bytes taken from the front of the input
    std::string_view piece;  ///< in the input; of kBody
  };

  enum class Side : std::uint8_t { kRequests, kResponses };
  explicit HttpParser(Side side, HttpParserLimits limits = {});
  ~HttpParser();

  /// Takes the next step. On kNeedMore drop the used bytes; when none were used, call again with
  /// the same input and more behind it, else with what is left.
  Progress Feed(std::string_view input);
  /// The peer closed. kEnd when that ends a response's body, else kError.
  Progress FeedEnd();
  /// Begins the next message. `no_body`: the response to a HEAD request.
  void Next(bool no_body = false);

  // Of the head, from kHead on.
  std::string_view method() const;
  std::string_view target() const;
  int status() const;
  bool is_http11() const;
  bool keep_alive() const;
  std::optional<std::uint64_t> content_length() const;
  bool has_body() const;
  HttpHeaders& headers();

  /// The HTTP status that fits the error: 400, 414, 431, 501, 505.
  int error_status() const;
  std::string_view error() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera
