#include "net/http_connection.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include <sys/socket.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/str.h"
#include "net/await_then.h"
#include "net/compress.h"
#include "net/header_values.h"
#include "net/http_error.h"
#include "net/trace_context.h"
#include "net/uri.h"
#include "telemetry/trace_recorder.h"

namespace tessera {
namespace {

constexpr std::size_t kInputFirst = 4 << 10;
constexpr std::size_t kInputMax = 64 << 10;
constexpr std::uint64_t kDrainMax = 256 << 10;  // of a refused body, to keep the connection

constexpr Duration kRateGrace = std::chrono::seconds(10);

}  // namespace

/// A request's body as the handler pulls it. Ends with CANCELLED once the request is over.
class HttpBodyStream final : public Stream<std::string> {
 public:
  HttpBodyStream(IoLoop& loop, std::shared_ptr<HttpConnection*> gate, std::uint64_t bytes_max)
      : loop_(loop), gate_(std::move(gate)), left_(bytes_max) {}

  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    Executor* const home = Executor::Current();
    co_await SwitchTo(loop_);
    Result<std::optional<std::string>> piece = co_await NextOnLoop(std::move(ctx));
    if (home != nullptr) co_await SwitchTo(*home);
    co_return piece;
  }

 private:
  Task<Result<std::optional<std::string>>> NextOnLoop(Ctx ctx) {
    CO_TRY(ctx.Check());
    if (*gate_ == nullptr) co_return absl::CancelledError("the request is over");
    CO_TRY(const std::optional<std::string_view> piece, co_await (*gate_)->NextPiece());
    if (!piece) co_return std::nullopt;
    if (piece->size() > left_) {
      co_return WithHttpStatus(absl::ResourceExhaustedError("the body is too large"), 413);
    }
    left_ -= piece->size();
    co_return std::string(*piece);
  }

  IoLoop& loop_;
  const std::shared_ptr<HttpConnection*> gate_;
  std::uint64_t left_;
};

HttpConnection::HttpConnection(HttpServerShared& shared, IoLoop& loop, TcpSocket socket,
                               std::string peer, bool peer_is_loopback)
    : shared_(shared),
      loop_(loop),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      peer_is_loopback_(peer_is_loopback),
      parser_(HttpParser::Side::kRequests, {.head_bytes_max = shared.config.head_bytes_max,
                                            .fields_max = shared.config.fields_max,
                                            .target_bytes_max = shared.config.target_bytes_max}),
      in_(kInputFirst) {}

HttpConnection::~HttpConnection() = default;

Task<void> HttpConnection::Run() {
  Outcome outcome = Outcome::kKeepAlive;
  while (outcome == Outcome::kKeepAlive) outcome = co_await ServeOne();
  // A read may still be pending: it must have ended before this object goes.
  watching_ = false;
  error_code ignored;
  socket_.close(ignored);
  while (reading_) co_await ReadMore();
}

Task<HttpConnection::Outcome> HttpConnection::ServeOne() {
  parser_.Next();
  body_done_ = true;
  broken_ = false;
  timed_out_ = false;
  request_id_.clear();
  const bool has_head = co_await ReadHead();
  if (!has_head) co_return Outcome::kClose;
  ++requests_;
  HttpRequest request;
  const Status filled = FillRequest(request);
  if (!filled.ok()) {
    co_return co_await Refuse(nullptr, HttpStatusOf(filled), std::string(filled.message()));
  }
  co_return co_await Exchange(std::move(request));
}

// True when a head was read; false when the connection is to be closed (a refusal has been sent).
Task<bool> HttpConnection::ReadHead() {
  phase_ = Phase::kIdle;
  if (shared_.draining.load(std::memory_order_relaxed) && input().empty()) co_return false;
  SetDeadline(requests_ == 0 ? shared_.config.head_timeout : IdleTimeout());
  while (true) {
    if (!input().empty()) {
      if (phase_ == Phase::kIdle) {
        phase_ = Phase::kHead;
        SetDeadline(shared_.config.head_timeout);
      }
      const HttpParser::Progress progress = parser_.Feed(input());
      Consume(progress.used);
      if (progress.step == HttpParser::Step::kHead) {
        deadline_ = SteadyTime::max();
        co_return true;
      }
      if (progress.step == HttpParser::Step::kError) {
        const std::string why(parser_.error());
        const Outcome ignored = co_await Refuse(nullptr, parser_.error_status(), why);
        (void)ignored;
        co_return false;
      }
      if (progress.used > 0) continue;
    }
    const bool more = co_await ReadMore();
    if (more) continue;
    if (timed_out_ && phase_ == Phase::kHead) {
      const Outcome ignored = co_await Refuse(nullptr, 408, "the request's head came too slowly");
      (void)ignored;
    }
    co_return false;
  }
}

Status HttpConnection::FillRequest(HttpRequest& request) {
  const auto method = ParseMethod(parser_.method());
  if (!method) {
    return WithHttpStatus(absl::UnimplementedError("the method is not known here"), 501);
  }
  request.method = *method;
  request.target = parser_.target();
  if (request.method == HttpMethod::kOptions && request.target == "*") request.target = "/";
  TRY(Target target, ParseTarget(request.target));
  request.path = std::move(target.path);
  request.query = target.query;
  request.headers = std::move(parser_.headers());
  request.peer = peer_;
  request.peer_is_loopback = peer_is_loopback_;
  request.keep_alive = parser_.keep_alive();
  request.content_length = parser_.content_length();
  body_done_ = !parser_.has_body();
  body_bytes_ = 0;
  const std::string_view expect = request.headers.Get("expect");
  if (!expect.empty() && !EqualsIgnoreCase(expect, "100-continue")) {
    return WithHttpStatus(absl::InvalidArgumentError("the Expect header is not understood"), 417);
  }
  expect_continue_ = !expect.empty() && parser_.is_http11() && !body_done_;
  const std::string_view id = request.headers.Get("x-request-id");
  request.info.request_id = IsRequestId(id) ? std::string(id) : Hex(RandomId());
  request_id_ = request.info.request_id;
  const auto& propagation = TraceRecorder::Process().options();
  const auto parent = propagation.propagates_trace
                          ? ParseTraceParent(request.headers.Get("traceparent"))
                          : std::nullopt;
  if (parent) {
    request.info.trace = parent->trace;
    request.parent_span = parent->span_id;
  } else {
    request.info.trace = TraceId{RandomId(), RandomId(), false};
  }
  ReadTraceBaggage(request.headers, request.info);
  if (!parent) request.info.trace_state.clear();
  return absl::OkStatus();
}

Task<HttpConnection::Outcome> HttpConnection::Exchange(HttpRequest request) {
  const bool head_only = request.method == HttpMethod::kHead;
  Admission admission = shared_.service.Admit(request);
  const bool wants_keep_alive = request.keep_alive;
  if (!admission.refusal && !body_done_) {
    if (admission.body == BodyKind::kNone) {
      co_return co_await Refuse(&request, 413, "this route takes no body");
    }
    if (request.content_length.value_or(0) > admission.body_max) {
      co_return co_await Refuse(&request, 413,
                                StrCat("the body is larger than ", admission.body_max, " bytes"));
    }
    if (admission.body == BodyKind::kBuffered) {
      const Status read = co_await ReadBody(request, admission.body_max);
      if (!read.ok()) {
        if (ended_) co_return Outcome::kClose;
        co_return co_await Refuse(&request, HttpStatusOf(read), std::string(read.message()));
      }
    }
  }
  cancel_ = std::make_shared<CancelSource>();
  const Ctx ctx(std::make_shared<const RequestInfo>(std::move(request.info)), cancel_->token());
  HttpReply reply;
  if (admission.refusal) {
    reply = *std::move(admission.refusal);
  } else {
    if (admission.body == BodyKind::kStreamed) {
      body_gate_ = std::make_shared<HttpConnection*>(this);
      request.stream = std::make_unique<HttpBodyStream>(loop_, body_gate_, admission.body_max);
    }
    reply = co_await CallService(ctx, std::move(request));
    co_await SwitchTo(loop_);
    if (body_gate_) *body_gate_ = nullptr;
    body_gate_.reset();
  }
  if (ended_) {
    shared_.service.OnSent(ctx, reply.status, 0, false);
    cancel_.reset();
    co_return Outcome::kClose;
  }
  // What the handler left of the body is read and dropped, or the connection ends.
  bool keep_alive = wants_keep_alive && !reply.close &&
                    requests_ < shared_.config.requests_per_connection_max &&
                    !shared_.draining.load(std::memory_order_relaxed) &&
                    !shared_.leaving.load(std::memory_order_relaxed);
  if (!body_done_) {
    watching_ = false;
    const bool drained = !expect_continue_ && !broken_ && !timed_out_ && co_await DrainBody();
    keep_alive = keep_alive && drained;
  }
  co_return co_await SendReply(ctx, std::move(reply), head_only, keep_alive);
}

Task<HttpReply> HttpConnection::CallService(Ctx ctx, HttpRequest request) {
  phase_ = Phase::kHandling;
  deadline_ = SteadyTime::max();
  const auto watch = [this] { Watch(); };
  AwaitThen answer(shared_.service.Handle(std::move(ctx), std::move(request)), watch);
  HttpReply reply = co_await answer;
  co_return reply;
}

Task<HttpConnection::Outcome> HttpConnection::Refuse(const HttpRequest* request, int status,
                                                     std::string detail) {
  const bool head_only = request != nullptr && request->method == HttpMethod::kHead;
  HttpReply reply = shared_.service.OnBadRequest(request, status, detail);
  reply.close = true;
  if (request_id_.empty()) request_id_ = Hex(RandomId());
  cancel_ = std::make_shared<CancelSource>();
  const Ctx ctx(nullptr, cancel_->token());
  const Outcome outcome = co_await SendReply(ctx, std::move(reply), head_only, false);
  co_return outcome;
}

// Body.

// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): its only caller awaits it
Task<Status> HttpConnection::ReadBody(HttpRequest& request, std::uint64_t bytes_max) {
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
  const std::string_view codings = request.headers.Get("content-encoding");
  const auto coding = codings.empty() ? Coding::kIdentity : ParseCoding(Trim(codings));
  if (!coding || request.headers.Count("content-encoding") > 1) {
    co_return WithHttpStatus(
        absl::InvalidArgumentError("Content-Encoding must be one of gzip, br, zstd, identity"),
        415);
  }
  if (*coding == Coding::kIdentity && request.content_length) {
    request.body.reserve(std::min<std::uint64_t>(*request.content_length, kInputMax) + 64);
  }
  Decompressor decompressor(*coding, bytes_max);
  while (true) {
    CO_TRY(const std::optional<std::string_view> piece, co_await NextPiece());
    if (!piece) break;
    CO_TRY(decompressor.Feed(*piece, &request.body));
  }
  co_return decompressor.Finish();
}

Task<Result<std::optional<std::string_view>>> HttpConnection::NextPiece() {
  using Piece = std::optional<std::string_view>;
  if (body_done_) co_return Piece();
  if (expect_continue_) {
    expect_continue_ = false;
    CO_TRY(co_await Write("HTTP/1.1 100 Continue\r\n\r\n"));
  }
  if (body_bytes_ == 0) body_began_ = Now();
  phase_ = Phase::kBody;
  SetDeadline(shared_.config.body_stall_timeout);
  while (true) {
    if (!input().empty()) {
      const HttpParser::Progress progress = parser_.Feed(input());
      Consume(progress.used);
      if (progress.step == HttpParser::Step::kBody) {
        body_bytes_ += progress.piece.size();
        deadline_ = SteadyTime::max();
        if (!parser_.has_body()) body_done_ = true;
        co_return Piece(progress.piece);
      }
      if (progress.step == HttpParser::Step::kEnd) {
        deadline_ = SteadyTime::max();
        body_done_ = true;
        co_return Piece();
      }
      if (progress.step == HttpParser::Step::kError) {
        broken_ = true;
        co_return WithHttpStatus(absl::InvalidArgumentError(AbslView(parser_.error())),
                                 parser_.error_status());
      }
      if (progress.used > 0) continue;
    }
    const auto waited = std::chrono::duration_cast<std::chrono::seconds>(Now() - body_began_);
    const bool slow =
        waited > kRateGrace && body_bytes_ < static_cast<std::uint64_t>(waited.count()) *
                                                 shared_.config.body_bytes_per_second_min;
    const bool more = !slow && co_await ReadMore();
    if (more) continue;
    if (slow || timed_out_) {
      timed_out_ = true;
      co_return WithHttpStatus(absl::DeadlineExceededError("the body came too slowly"), 408);
    }
    co_return absl::CancelledError("the client left while it sent the body");
  }
}

// True when the rest of the body was small and is gone.
Task<bool> HttpConnection::DrainBody() {
  std::uint64_t dropped = 0;
  while (!body_done_) {
    if (parser_.content_length().value_or(0) > kDrainMax) co_return false;
    const auto piece = co_await NextPiece();
    if (!piece.ok()) co_return false;
    if (*piece) dropped += (*piece)->size();
    if (dropped > kDrainMax) co_return false;
  }
  co_return true;
}

// Input.

// The clock's last tick is exact enough for time-outs, and costs a fraction. It is the steady
// clock's own time line.
void HttpConnection::SetDeadline(Duration timeout) {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  deadline_ = SteadyTime(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec)) +
              timeout;
}

void HttpConnection::Consume(std::size_t bytes) {
  in_begin_ += bytes;
  if (in_begin_ == in_end_ && !reading_) in_begin_ = in_end_ = 0;
}

void HttpConnection::StartRead() {
  if (in_begin_ > 0 && in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  if (in_end_ == in_.size()) {
    if (in_begin_ > 0) {
      std::copy(in_.begin() + static_cast<std::ptrdiff_t>(in_begin_),
                in_.begin() + static_cast<std::ptrdiff_t>(in_end_), in_.begin());
      in_end_ -= in_begin_;
      in_begin_ = 0;
    } else {
      in_.resize(std::min(in_.size() * 4, kInputMax));
    }
  }
  reading_ = true;
  struct Done {
    HttpConnection* connection;
    void operator()(const error_code& error, std::size_t bytes) const {
      connection->OnRead(error, bytes);
    }
  };
  socket_.async_read_some(boost::asio::buffer(in_.data() + in_end_, in_.size() - in_end_),
                          Done{this});
}

void HttpConnection::OnRead(const error_code& error, std::size_t bytes) {
  reading_ = false;
  in_end_ += bytes;
  if (error && !timed_out_) ended_ = true;  // after a timeout a refusal can still be sent
  if (reader_) {
    std::exchange(reader_, {}).resume();
    return;
  }
  if (!watching_) return;
  if (error) {
    watching_ = false;
    if (cancel_) cancel_->Cancel(absl::CancelledError("the client left"));
  } else {
    Watch();
  }
}

// Keeps a read pending while a handler runs, so that a client that leaves is noticed. Requests sent
// ahead are kept, up to the buffer's size.
void HttpConnection::Watch() {
  watching_ = true;
  if (!body_done_ || reading_ || ended_) return;
  if (input().size() < kInputMax) StartRead();
}

// Waits for bytes; false when there will be none.
Task<bool> HttpConnection::ReadMore() {
  if (!reading_) {
    if (ended_ || timed_out_ || !socket_.is_open()) co_return false;
    if (input().size() >= kInputMax) co_return false;
    StartRead();
  }
  struct Wait {
    HttpConnection* connection;
    bool await_ready() const noexcept { return !connection->reading_; }
    void await_suspend(std::coroutine_handle<> handle) const { connection->reader_ = handle; }
    void await_resume() const noexcept {}
  };
  const Wait wait{this};
  co_await wait;
  co_return !ended_ && !timed_out_;
}

void HttpConnection::Tick(SteadyTime now) {
  if (now < deadline_) return;
  deadline_ = SteadyTime::max();
  timed_out_ = true;
  error_code ignored;
  socket_.cancel(ignored);
}

void HttpConnection::Drain() {
  if (phase_ != Phase::kIdle) return;
  error_code ignored;
  socket_.cancel(ignored);
}

Duration HttpConnection::IdleTimeout() const {
  const HttpServerConfig& config = shared_.config;
  const bool leaving = shared_.leaving.load(std::memory_order_relaxed);
  return leaving ? std::min(config.idle_timeout, config.leave_idle_timeout) : config.idle_timeout;
}

// It is not closed at once: its client may just be sending the next request.
void HttpConnection::Leave() {
  if (phase_ != Phase::kIdle || requests_ == 0) return;
  deadline_ = std::min(deadline_, Now() + IdleTimeout());
}

void HttpConnection::Abort(Status reason) {
  ended_ = true;
  if (cancel_) cancel_->Cancel(std::move(reason));
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace tessera
