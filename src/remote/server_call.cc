#include "remote/server_call.h"

#include <utility>

#include "base/ids.h"
#include "net/http_error.h"
#include "remote/wire_ctx.h"
#include "remote/wire_status.h"
#include "runtime/thread_pool.h"
#include "runtime/timer.h"
#include "telemetry/log.h"
#include "telemetry/trace_recorder.h"

namespace tessera {
namespace {

// Above this, parsing and writing would hold the loop for too long.
constexpr std::size_t kLargeMessage = 256 << 10;
constexpr std::size_t kLargeToGzip = 32 << 10;
constexpr std::size_t kStrangersBody = 16 << 10;

void Tell(const Ctx& ctx, std::string_view method, const Status& status) {
  // The controller looks several times a second.
  if (status.ok() &&
      (method.starts_with("tessera.v1.Group.") || method.starts_with("tessera.v1.ProcessLogs.")))
    return;
  const bool fault =
      absl::IsInternal(status) || absl::IsUnknown(status) || absl::IsDataLoss(status);
  Log(ctx, fault ? LogLevel::kWarning : LogLevel::kDebug, "a call was answered",
      {{"method", method}, {"code", absl::StatusCodeToString(status.code())}});
}

}  // namespace

ServerCall::ServerCall(ServerShared& shared, IoLoop& loop, ListenerTraits traits,
                       Http2StreamPtr stream, std::shared_ptr<const TlsPeer> peer)
    : shared_(shared),
      loop_(loop),
      traits_(traits),
      stream_(std::move(stream)),
      peer_(std::move(peer)),
      reader_(shared.config.message_bytes_max) {}

ServerCall::~ServerCall() {
  if (counted_) {
    shared_.calls.fetch_sub(1);
    shared_.call_ended();
  }
}

void ServerCall::OnEvent() {
  if (stream_->closed()) {
    // After a reply nobody listens for this any more.
    cancel_.Cancel(absl::CancelledError("the caller has gone"));
  } else if (stream_->deadline_passed()) {
    cancel_.Cancel(absl::DeadlineExceededError("the deadline of the call has passed"));
  }
  if (!begun_ && !stream_->closed() && (SpeaksGrpc() || BodyIsHere())) {
    begun_ = true;
    Begin();
  }
  if (waiting_) std::exchange(waiting_, {}).resume();
}

bool ServerCall::SpeaksGrpc() const {
  return stream_->headers().Find("content-type").value_or("").starts_with("application/grpc");
}

// Strangers are answered when they have spoken, as HTTP's clients expect it, unless it takes long.
bool ServerCall::BodyIsHere() const {
  return stream_->ended() || stream_->body().size() >= kStrangersBody;
}

void ServerCall::Begin() {
  const Http2Headers& headers = stream_->headers();
  if (!SpeaksGrpc()) {
    const Http2Field plain[] = {{":status", "415"}, {"content-type", "text/plain"}};
    stream_->SendHeaders(plain, false);
    stream_->Write("this port speaks gRPC\n");
    stream_->End();
    return;
  }
  if (stream_->headers_too_large()) {
    return Refuse(absl::ResourceExhaustedError("the metadata of the call is too large"));
  }
  const std::string_view path = headers.Find(":path").value_or("");
  const auto found = shared_.methods.find(AbslView(path));
  if (found == shared_.methods.end() ||
      (traits_.health_only && !path.starts_with("/grpc.health."))) {
    return Refuse(absl::UnimplementedError(StrCat("no method ", path.substr(0, 200), " here")));
  }
  if (shared_.config.permit && !traits_.health_only) {
    static const TlsPeer kUnknown;
    const Status permitted =
        shared_.config.permit(peer_ ? *peer_ : kUnknown, *found->second.binding.info);
    if (!permitted.ok()) return Refuse(permitted);
  }
  const auto encoding = headers.Find("grpc-encoding").value_or("identity");
  if (encoding != "identity" && encoding != "gzip") {
    return Refuse(absl::UnimplementedError("grpc-encoding is neither identity nor gzip"));
  }
  counted_ = true;
  if (shared_.calls.fetch_add(1) >= shared_.config.calls_max) {
    return Refuse(WithRetryAfter(absl::UnavailableError("too many calls at once"), 1));
  }
  const Status status = BeginContext();
  if (!status.ok()) return Refuse(status);
  Spawn(Run(&found->second), [self = shared_from_this()] {});
}

Status ServerCall::BeginContext() {
  const Http2Headers& headers = stream_->headers();
  TRY(CallerInfo caller, ReadCaller(headers, traits_.trusts_identity));
  if (caller.deadline != SteadyTime::max()) stream_->SetDeadline(caller.deadline);
  if (traits_.compresses) {
    const auto accepted = headers.Find("grpc-accept-encoding").value_or("");
    gzip_ = accepted.find("gzip") != std::string_view::npos;
  }
  authorization_ = std::move(caller.authorization);
  const bool unknown = caller.info->principal.id.empty();
  if (shared_.config.authenticate && (unknown || !authorization_.empty())) {
    TRY(KeyHolder holder, shared_.config.authenticate(authorization_));
    caller.info->principal = std::move(holder.principal);
    caller.info->tenant = std::move(holder.tenant);
  }
  RequestInfo& info = *caller.info;
  if (caller.parent_span == 0) info.trace = TraceId{RandomId(), RandomId(), false};
  if (info.request_id.empty()) info.request_id = Hex(RandomId());
  TraceRecorder::Process().Begin(info, caller.parent_span != 0, traits_.trusts_identity);
  ctx_ = Ctx(std::move(caller.info), cancel_.token())
             .WithDeadline(caller.deadline)
             .WithSpan(caller.parent_span);
  return absl::OkStatus();
}

Task<void> ServerCall::Run(const ServedMethod* method) {
  Status status;
  if (shared_.config.faults && shared_.config.faults->any()) [[unlikely]] {
    status = co_await MeetFaults(method);
  }
  if (!status.ok()) {
    // Its status is all that the caller gets.
  } else if (method->serve) {
    status = co_await method->serve(shared_from_this());
  } else if (method->binding.call) {
    status = co_await ServeUnary(&method->binding);
  } else {
    status = co_await ServeStream(&method->binding);
  }
  co_await SwitchTo(loop_);
  if (method->binding.info != nullptr) Tell(ctx_, method->binding.info->full_name, status);
  Finish(status);
}

Task<Status> ServerCall::MeetFaults(const ServedMethod* method) {
  if (method->binding.info == nullptr) co_return absl::OkStatus();
  const auto header = [this](std::string_view name) {
    return stream_->headers().Find(name).value_or("");
  };
  const Fault fault = shared_.config.faults->Decide(method->binding.info->full_name, header);
  if (fault.delay > Duration::zero()) {
    const Status slept = co_await SleepFor(ctx_, fault.delay);
    co_await SwitchTo(loop_);
    CO_TRY(Status(slept));
  }
  co_return fault.abort;
}

Task<Result<std::optional<RawMessage>>> ServerCall::Read() {
  while (true) {
    if (stream_->closed()) co_return absl::CancelledError("the caller has gone");
    CO_TRY(std::optional<RawMessage> message, reader_.Take(*stream_));
    if (message) co_return message;
    if (stream_->ended()) {
      if (!MessageReader::Cut(*stream_)) co_return std::nullopt;
      co_return absl::InternalError("the request was cut short");
    }
    CO_TRY(ctx_.Check());
    co_await NextEvent{*this};
  }
}

Task<Result<MessagePtr>> ServerCall::ReadRequest(const MethodBinding* binding) {
  CO_TRY(std::optional<RawMessage> raw, co_await Read());
  if (!raw) co_return absl::InternalError("the call has no request");
  MessagePtr request(binding->request->New());
  const std::uint64_t bytes_max = shared_.config.message_bytes_max;
  if (raw->bytes.size() > (raw->compressed ? kLargeToGzip : kLargeMessage)) {
    const auto parse = [&] { return ParseMessage(*raw, bytes_max, request.get()); };
    CO_TRY(co_await RunOn(shared_.cpu, parse));
  } else {
    CO_TRY(ParseMessage(*raw, bytes_max, request.get()));
  }
  CO_TRY(const std::optional<RawMessage> second, co_await Read());
  if (second) co_return absl::InternalError("the call has more than one request");
  co_return request;
}

Task<Status> ServerCall::ServeUnary(const MethodBinding* binding) {
  CO_TRY(MessagePtr request, co_await ReadRequest(binding));
  Result<MessagePtr> reply = co_await binding->call(ctx_, std::move(request));
  co_await SwitchTo(loop_);
  CO_TRY(const MessagePtr message, std::move(reply));
  co_return co_await Send(message.get());
}

Task<Status> ServerCall::ServeStream(const MethodBinding* binding) {
  CO_TRY(MessagePtr request, co_await ReadRequest(binding));
  Result<StreamPtr<MessagePtr>> stream = co_await binding->call_stream(ctx_, std::move(request));
  co_await SwitchTo(loop_);
  CO_TRY(const StreamPtr<MessagePtr> items, std::move(stream));
  SendHead();  // the caller's call returns now
  while (true) {
    Result<std::optional<MessagePtr>> item = co_await items->Next(ctx_);
    co_await SwitchTo(loop_);
    CO_TRY(const std::optional<MessagePtr> message, std::move(item));
    if (!message) co_return absl::OkStatus();
    CO_TRY(co_await Send(message->get()));
  }
}

void ServerCall::SendHead() {
  if (std::exchange(head_sent_, true)) return;
  const Http2Field fields[] = {{":status", "200"},
                               {"content-type", "application/grpc"},
                               {"grpc-accept-encoding", "identity,gzip"},
                               {"grpc-encoding", "gzip"}};
  stream_->SendHeaders({fields, gzip_ ? 4UL : 3UL}, false);
}

Task<Status> ServerCall::Send(const google::protobuf::Message* message) {
  const std::size_t size = message->ByteSizeLong();
  const bool gzip = gzip_ && size >= shared_.config.gzip_bytes_min;
  Result<std::string> frame = absl::InternalError("not made");
  if (size > kLargeMessage || (gzip && size > kLargeToGzip)) {
    const auto make = [&] {
      frame = FrameOf(*message);
      if (gzip && frame.ok()) frame = Gzipped(*std::move(frame));
    };
    co_await RunOn(shared_.cpu, make);
  } else {
    frame = FrameOf(*message);
    if (gzip && frame.ok()) frame = Gzipped(*std::move(frame));
  }
  if (!frame.ok()) co_return frame.status();
  while (!stream_->writable()) {
    CO_TRY(ctx_.Check());
    co_await NextEvent{*this};
  }
  if (stream_->closed()) co_return absl::CancelledError("the caller has gone");
  SendHead();
  stream_->Write(*std::move(frame));
  co_return absl::OkStatus();
}

void ServerCall::Refuse(const Status& status) { Finish(status); }

void ServerCall::Finish(const Status& status) {
  if (stream_->closed()) return;
  const StatusTrailers trailers(status);
  if (head_sent_) {
    stream_->End(trailers.fields());
    return;
  }
  // All in one block.
  std::array<Http2Field, 8> fields;
  std::size_t count = 0;
  fields[count++] = {":status", "200"};
  fields[count++] = {"content-type", "application/grpc"};
  for (const Http2Field& field : trailers.fields()) fields[count++] = field;
  stream_->SendHeaders({fields.data(), count}, true);
}

}  // namespace tessera
