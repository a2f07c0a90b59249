#include "remote/client_call.h"

#include <utility>

#include "remote/wire_status.h"

namespace tessera {
namespace {

// What waits for a reader: beyond either, the peer's window closes.
constexpr std::size_t kQueueItems = 64;
constexpr std::size_t kQueueBytes = 256 << 10;

Status DeadlinePassed() {
  return absl::DeadlineExceededError("the deadline of the call has passed");
}

// What is wrong with the head of a reply, if anything.
Status CheckHead(const Http2Headers& headers) {
  const std::string_view http = headers.Find(":status").value_or("");
  if (http != "200") return StatusOfHttp(http);
  const std::string_view type = headers.Find("content-type").value_or("");
  if (!type.starts_with("application/grpc")) {
    return absl::UnknownError("the peer does not answer as a gRPC server");
  }
  const std::string_view encoding = headers.Find("grpc-encoding").value_or("identity");
  if (encoding != "identity" && encoding != "gzip") {
    return absl::InternalError("the reply has a grpc-encoding that was not asked for");
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<Status> EndOf(Http2Stream& stream) {
  if (stream.has_headers()) {
    Status head = CheckHead(stream.headers());
    if (!head.ok()) {
      // A proxy's error page need not be read.
      stream.Reset(Http2Error::kCancel);
      return head;
    }
  }
  if (stream.headers_too_large()) {
    stream.Reset(Http2Error::kCancel);
    return absl::ResourceExhaustedError("the metadata of the reply is too large");
  }
  if (stream.ended() && stream.has_headers()) {
    // A reply without a body has its status in its only block.
    if (stream.trailers().size() > 0) return StatusOfTrailers(stream.trailers());
    return StatusOfTrailers(stream.headers());
  }
  if (!stream.closed()) return std::nullopt;
  if (!stream.why_closed().empty()) {
    return WithFate(absl::UnavailableError(stream.why_closed()), CallFate::kLost);
  }
  switch (stream.error()) {
    case Http2Error::kRefusedStream:
      return WithFate(absl::UnavailableError("the peer refused the call"), CallFate::kRefused);
    case Http2Error::kCancel:
      return absl::CancelledError("the peer cancelled the call");
    case Http2Error::kEnhanceYourCalm:
      return absl::ResourceExhaustedError("the peer asks for fewer calls");
    default:
      return absl::InternalError(StrCat("the peer broke off the call, HTTP/2 error ",
                                        static_cast<std::uint32_t>(stream.error())));
  }
}

bool WasRefused(const Http2Stream& stream) {
  return stream.closed() && !stream.has_headers() && stream.error() == Http2Error::kRefusedStream;
}

void UnaryCall::OnEvent() {
  if (!done_) Look();
}

void UnaryCall::Look() {
  if (stream_->deadline_passed() && !stream_->ended()) {
    stream_->Reset(Http2Error::kCancel);
    return Finish(DeadlinePassed());
  }
  if (!reply_) {
    Result<std::optional<RawMessage>> taken = reader_.Take(*stream_);
    if (!taken.ok()) {
      stream_->Reset(Http2Error::kCancel);
      return Finish(taken.status());
    }
    reply_ = *std::move(taken);
  }
  if (reply_ && !stream_->body().empty()) {
    stream_->Reset(Http2Error::kCancel);
    return Finish(absl::InternalError("the reply is more than one message"));
  }
  const std::optional<Status> end = EndOf(*stream_);
  if (!end) return;
  refused_ = WasRefused(*stream_);
  if (end->ok() && !reply_) {
    return Finish(absl::InternalError("the reply has no message"));
  }
  Finish(*end);
}

void UnaryCall::Cancel(const Status& reason) {
  if (done_) return;
  if (stream_) stream_->Reset(Http2Error::kCancel);
  Finish(reason);
}

void UnaryCall::Finish(Status status) {
  status_ = std::move(status);
  done_ = true;
  const std::coroutine_handle<> waiting = std::exchange(waiting_, {});
  if (!waiting) return;
  if (home_ == nullptr) {
    waiting.resume();
  } else {
    home_->Post([waiting] { waiting.resume(); });
  }
}

void StreamCall::Start(Http2StreamPtr stream) {
  stream_ = std::move(stream);
  const auto weak = weak_from_this();
  ctx_.cancel().OnCancel(on_cancel_, [weak, &loop = loop_](const Status& reason) {
    loop.Post([weak, reason] {
      if (const auto alive = weak.lock()) alive->CancelOnLoop(reason);
    });
  });
}

void StreamCall::OnEvent() {
  if (stream_->deadline_passed() && !stream_->ended()) {
    stream_->Reset(Http2Error::kCancel);
    return End(DeadlinePassed());
  }
  Fill();
}

// Moves messages to the queue while it has room, and then the end.
void StreamCall::Fill() {
  std::optional<WaiterHandle> wake;
  {
    std::lock_guard lock(mutex_);
    if (end_) return;
    starved_ = false;
    bool moved = false;
    while (true) {
      if (queue_.size() >= kQueueItems || queue_bytes_ >= kQueueBytes) {
        starved_ = true;
        break;
      }
      Result<std::optional<RawMessage>> taken = reader_.Take(*stream_);
      if (!taken.ok()) {
        stream_->Reset(Http2Error::kCancel);
        end_ = taken.status();
        break;
      }
      if (!*taken) break;
      queue_bytes_ += (*taken)->bytes.size();
      queue_.push_back(*std::move(*taken));
      moved = true;
    }
    if (!end_ && !starved_) {
      end_ = EndOf(*stream_);
      if (end_ && end_->ok() && MessageReader::Cut(*stream_)) {
        end_ = absl::InternalError("the stream was cut in the middle of a message");
      }
      if (end_) refused_ = WasRefused(*stream_);
    }
    const bool begins = !begun_ && !end_ && stream_->has_headers();
    begun_ = begun_ || begins || moved;
    if (moved || end_ || begins) wake = std::exchange(reader_waits_, std::nullopt);
  }
  if (wake) wake->Complete(absl::OkStatus());
}

void StreamCall::End(Status status) {
  std::optional<WaiterHandle> wake;
  {
    std::lock_guard lock(mutex_);
    if (end_) return;
    end_ = std::move(status);
    wake = std::exchange(reader_waits_, std::nullopt);
  }
  if (wake) wake->Complete(absl::OkStatus());
}

void StreamCall::CancelOnLoop(const Status& reason) {
  if (stream_) stream_->Reset(Http2Error::kCancel);
  End(reason);
}

void StreamCall::Cancel(Status reason) {
  {
    std::lock_guard lock(mutex_);
    queue_.clear();
    if (end_) return;
  }
  loop_.Post(
      [self = shared_from_this(), reason = std::move(reason)] { self->CancelOnLoop(reason); });
}

Ctx StreamCall::ForWait(const Ctx& ctx) const {
  return ctx.deadline() >= ctx_.deadline() ? Ctx(nullptr, ctx.cancel()) : ctx;
}

Task<Status> StreamCall::Begun(Ctx ctx) {
  while (true) {
    Waiter waiter(ForWait(ctx));
    {
      std::lock_guard lock(mutex_);
      if (begun_) co_return absl::OkStatus();
      if (end_) co_return *end_;
      reader_waits_ = waiter.handle();
    }
    CO_TRY(co_await waiter);
  }
}

Task<Result<bool>> StreamCall::Next(Ctx ctx, google::protobuf::MessageLite* item) {
  RawMessage raw;
  while (true) {
    std::optional<Waiter> waiter;
    bool refill = false;
    {
      std::unique_lock lock(mutex_);
      if (!queue_.empty()) {
        raw = std::move(queue_.front());
        queue_.pop_front();
        queue_bytes_ -= raw.bytes.size();
        refill = starved_ && queue_.size() <= kQueueItems / 2 && queue_bytes_ <= kQueueBytes / 2;
        if (refill) starved_ = false;
      } else if (end_) {
        if (!end_->ok()) co_return *end_;
        co_return false;
      } else {
        waiter.emplace(ForWait(ctx));
        reader_waits_ = waiter->handle();
      }
    }
    if (waiter) {
      CO_TRY(co_await *waiter);
      continue;
    }
    if (refill) {
      loop_.Post([self = shared_from_this()] { self->Fill(); });
    }
    CO_TRY(ParseMessage(raw, bytes_max_, item));
    co_return true;
  }
}

}  // namespace tessera
