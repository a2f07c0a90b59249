#include "net/http_parser.h"

#include <algorithm>
#include <limits>

#include <boost/beast/http/basic_parser.hpp>

#include "base/str.h"

namespace tessera {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using beast::error_code;

std::string_view View(beast::string_view view) { return {view.data(), view.size()}; }

/// What both kinds of parsers collect.
struct Message {
  std::string method;
  std::string target;
  int status = 0;
  int version = 0;
  HttpHeaders headers;
  std::string_view piece;
  bool head_done = false;
  bool too_many = false;
  bool target_too_long = false;
  HttpParserLimits limits;

  void Clear() {
    method.clear();
    target.clear();
    headers = {};
    piece = {};
    head_done = too_many = target_too_long = false;
  }
};

template <bool is_request>
class Framing final : public http::basic_parser<is_request> {
 public:
  explicit Framing(Message& message) : message_(message) {
    this->header_limit(message.limits.head_bytes_max);
    this->body_limit(boost::none);
    this->eager(false);
  }

 private:
  void on_request_impl(http::verb, beast::string_view method, beast::string_view target,
                       int version, error_code& ec) override {
    if (target.size() > message_.limits.target_bytes_max) {
      message_.target_too_long = true;
      ec = http::error::bad_target;
      return;
    }
    message_.method.assign(method.data(), method.size());
    message_.target.assign(target.data(), target.size());
    message_.version = version;
  }
  void on_response_impl(int code, beast::string_view, int version, error_code&) override {
    message_.status = code;
    message_.version = version;
  }
  void on_field_impl(http::field, beast::string_view name, beast::string_view value,
                     error_code& ec) override {
    if (message_.head_done) return;  // trailers are dropped: nobody has checked them
    if (message_.headers.size() >= message_.limits.fields_max) {
      message_.too_many = true;
      ec = http::error::header_limit;
      return;
    }
    message_.headers.Add(View(name), View(value));
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(beast::string_view body, error_code&) override {
    message_.piece = View(body);
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, error_code&) override {
    message_.piece = View(body);
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  Message& message_;
};

// A CR LF followed by space or tab (an obsolete folded line), a CR or LF alone, or a NUL: readers
// disagree on what these mean, so they mean an error.
bool HasAmbiguousLine(std::string_view head) {
  for (std::size_t at = head.find_first_of(std::string_view("\r\n\0", 3)); at != head.npos;
       at = head.find_first_of(std::string_view("\r\n\0", 3), at + 2)) {
    if (head[at] != '\r' || at + 1 >= head.size() || head[at + 1] != '\n') return true;
    if (at + 2 < head.size() && (head[at + 2] == ' ' || head[at + 2] == '\t')) return true;
  }
  return false;
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= 19 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

struct HttpParser::State {
  State(Side which, HttpParserLimits limits) : side(which) {
    message.limits = limits;
    Reset(false);
  }

  void Reset(bool no_body) {
    message.Clear();
    head_scanned = 0;
    finished = false;
    stalled = false;
    error_status = 0;
    error.clear();
    if (side == Side::kRequests) {
      request.emplace(message);
    } else {
      response.emplace(message);
      response->skip(no_body);
    }
  }

  Progress Fail(int status, std::string_view text) {
    error_status = status;
    error = text;
    return {Step::kError};
  }

  Progress FailWith(const error_code& ec) {
    if (message.target_too_long) return Fail(414, "the request's target is too long");
    if (message.too_many) return Fail(431, "the request has too many header fields");
    if (ec == http::error::header_limit) return Fail(431, "the header fields are too large");
    if (ec == http::error::bad_version) return Fail(505, "only HTTP/1.0 and HTTP/1.1 are served");
    if (ec == http::error::partial_message) return Fail(400, "the message is cut short");
    return Fail(400, StrCat("not an HTTP message: ", ec.message()));
  }

  // Rules for requests beyond Beast's: RFC 9112 §3.2 (Host), §6.1 and §6.3 (framing).
  std::optional<Progress> CheckHead() {
    const HttpHeaders& headers = message.headers;
    const std::size_t lengths = headers.Count("content-length");
    const std::size_t codings = headers.Count("transfer-encoding");
    if (lengths > 1) return Fail(400, "more than one Content-Length");
    if (lengths == 1 && !IsNumber(headers.Get("content-length"))) {
      return Fail(400, "Content-Length is not a number");
    }
    if (codings > 0) {
      if (lengths > 0) return Fail(400, "both Content-Length and Transfer-Encoding");
      if (message.version < 11) return Fail(400, "Transfer-Encoding in HTTP/1.0");
      if (codings > 1 || !EqualsIgnoreCase(headers.Get("transfer-encoding"), "chunked")) {
        return Fail(501, "Transfer-Encoding other than chunked");
      }
    }
    if (side == Side::kResponses) return std::nullopt;
    if (message.version != 10 && message.version != 11) {
      return Fail(505, "only HTTP/1.0 and HTTP/1.1 are served");
    }
    const std::size_t hosts = headers.Count("host");
    if (hosts > 1) return Fail(400, "more than one Host");
    if (hosts == 0 && message.version == 11) return Fail(400, "the Host header is missing");
    return std::nullopt;
  }

  // The whole head goes to the parser at once, so that its size is known and its lines can be
  // checked together.
  template <class Parser>
  Progress FeedHead(Parser& parser, std::string_view input) {
    std::size_t blank = 0;
    while (input.substr(blank, 2) == "\r\n") blank += 2;  // RFC 9112 §2.2
    if (blank > 0) {
      head_scanned = 0;
      return {Step::kNeedMore, blank};
    }
    const std::size_t end = input.find("\r\n\r\n", head_scanned);
    const std::size_t size = end == input.npos ? input.size() : end + 4;
    if (size > message.limits.head_bytes_max) return FailLongHead(input);
    if (end == input.npos) {
      head_scanned = input.size() < 3 ? 0 : input.size() - 3;
      return {Step::kNeedMore};
    }
    const std::string_view head = input.substr(0, size);
    if (HasAmbiguousLine(head)) return Fail(400, "a header line is folded or ends badly");
    error_code ec;
    const std::size_t used = parser.put(boost::asio::const_buffer(head.data(), head.size()), ec);
    if (ec) return FailWith(ec);
    if (used != size || !parser.is_header_done()) return Fail(400, "not an HTTP message");
    message.head_done = true;
    if (const auto failed = CheckHead()) return *failed;
    return {Step::kHead, used};
  }

  Progress FailLongHead(std::string_view input) {
    const std::size_t line = input.substr(0, message.limits.target_bytes_max + 16).find("\r\n");
    if (side == Side::kRequests && line == input.npos) {
      return Fail(414, "the request's target is too long");
    }
    return Fail(431, "the header fields are too large");
  }

  template <class Parser>
  Progress Feed(Parser& parser, std::string_view input) {
    if (!message.head_done) return FeedHead(parser, input);
    if (finished || parser.is_done()) {
      finished = true;
      return {Step::kEnd};
    }
    message.piece = {};
    // Beast asserts that it is not asked about less than "0\r\n\r\n" again. No chunk's header is
    // the last thing in a message but this one, so nobody waits in vain.
    const std::size_t line = std::min(input.find('\r'), input.size());
    if (stalled && input.size() < 5 && input.starts_with('0') && input.substr(line, 2) == "\r\n")
      return {Step::kNeedMore};
    error_code ec;
    const std::size_t used = parser.put(boost::asio::const_buffer(input.data(), input.size()), ec);
    stalled = used == 0 && !input.empty();  // a body takes what there is
    if (ec && ec != http::error::need_more) return FailWith(ec);
    if (!message.piece.empty()) return {Step::kBody, used, message.piece};
    if (parser.is_done()) {
      finished = true;
      return {Step::kEnd, used};
    }
    if (used == 0 && input.size() >= message.limits.head_bytes_max) {
      return Fail(400, "a chunk header or trailer is too large");
    }
    return {Step::kNeedMore, used};
  }

  Side side;
  Message message;
  std::optional<Framing<true>> request;
  std::optional<Framing<false>> response;
  std::size_t head_scanned = 0;
  bool finished = false;
  bool stalled = false;  // in the middle of a chunk's header or a trailer
  int error_status = 0;
  std::string error;
};

HttpParser::HttpParser(Side side, HttpParserLimits limits)
    : state_(std::make_unique<State>(side, limits)) {}
HttpParser::~HttpParser() = default;

HttpParser::Progress HttpParser::Feed(std::string_view input) {
  if (state_->side == Side::kRequests) return state_->Feed(*state_->request, input);
  return state_->Feed(*state_->response, input);
}

HttpParser::Progress HttpParser::FeedEnd() {
  if (state_->finished) return {Step::kEnd};
  error_code ec;
  if (state_->side == Side::kRequests) {
    state_->request->put_eof(ec);
  } else {
    if (state_->response->is_header_done() && !state_->response->is_done()) {
      state_->response->put_eof(ec);
      if (!ec && state_->response->is_done()) {
        state_->finished = true;
        return {Step::kEnd};
      }
    }
  }
  return state_->Fail(400, "the message is cut short");
}

void HttpParser::Next(bool no_body) { state_->Reset(no_body); }

std::string_view HttpParser::method() const { return state_->message.method; }
std::string_view HttpParser::target() const { return state_->message.target; }
int HttpParser::status() const { return state_->message.status; }
bool HttpParser::is_http11() const { return state_->message.version >= 11; }

bool HttpParser::keep_alive() const {
  return state_->side == Side::kRequests ? state_->request->keep_alive()
                                         : state_->response->keep_alive();
}

std::optional<std::uint64_t> HttpParser::content_length() const {
  const auto length = state_->side == Side::kRequests ? state_->request->content_length()
                                                      : state_->response->content_length();
  if (!length) return std::nullopt;
  return *length;
}

bool HttpParser::has_body() const {
  return !(state_->side == Side::kRequests ? state_->request->is_done()
                                           : state_->response->is_done());
}

HttpHeaders& HttpParser::headers() { return state_->message.headers; }
int HttpParser::error_status() const { return state_->error_status; }
std::string_view HttpParser::error() const { return state_->error; }

}  // namespace tessera
