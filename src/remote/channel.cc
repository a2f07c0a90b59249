#include "remote/channel.h"

#include <algorithm>
#include <vector>

#include "remote/client_call.h"
#include "remote/peer_connection.h"
#include "remote/wire_ctx.h"

namespace tessera {

using google::protobuf::MessageLite;

namespace {

// gRPC's servers hang up on callers that ping more often; what is lost is then noticed by TCP.
constexpr Duration kForeignPing = std::chrono::minutes(5);

}  // namespace

struct RemoteChannel::State {
  State(RemoteChannelConfig with, IoLoops& on) : config(std::move(with)), loops(on) {
    for (std::size_t i = 0; i < loops.size(); ++i) {
      peers.push_back(std::make_shared<PeerConnection>(loops[i], config));
    }
    if (!config.send_identity)
      config.http2.ping_after = std::max(config.http2.ping_after, kForeignPing);
    authority = config.address.starts_with("unix:") ? "localhost" : config.address;
  }

  PeerConnection& Pick() {
    IoLoop& loop = loops.Any();
    for (const auto& peer : peers) {
      if (&peer->loop() == &loop) return *peer;
    }
    return *peers.front();
  }

  CallHeaders::Options HeaderOptions() const {
    return {.authority = authority,
            .scheme = config.tls ? "https" : "http",
            .authorization = config.authorization,
            .metadata = config.metadata,
            .send_identity = config.send_identity,
            .gzip = config.gzip_bytes_min > 0};
  }

  Result<std::string> Frame(const MessageLite& request) const {
    TRY(std::string frame, FrameOf(request));
    if (config.gzip_bytes_min > 0 && frame.size() > config.gzip_bytes_min) {
      return Gzipped(std::move(frame));
    }
    return frame;
  }

  RemoteChannelConfig config;
  IoLoops& loops;
  std::string authority;
  std::vector<std::shared_ptr<PeerConnection>> peers;
  bool closed = false;
};

namespace {

Result<Http2StreamPtr> Begin(Http2Connection& connection, std::string_view method, const Ctx& ctx,
                             const CallHeaders::Options& options, std::string frame,
                             std::shared_ptr<Http2User> user) {
  const CallHeaders headers(method, ctx, options);
  TRY(Http2StreamPtr stream, connection.Open(headers.fields(), false, std::move(user)));
  if (ctx.has_deadline()) stream->SetDeadline(ctx.deadline());
  stream->Write(std::move(frame));
  stream->End();
  return stream;
}

// Of a call that found no connection.
Status NotSent(Status status) {
  return absl::IsUnavailable(status) ? WithFate(std::move(status), CallFate::kUnreached) : status;
}

}  // namespace

RemoteChannel::RemoteChannel(RemoteChannelConfig config, IoLoops& loops)
    : state_(std::make_shared<State>(std::move(config), loops)) {}

RemoteChannel::~RemoteChannel() { CHECK(state_->closed); }

Task<Status> RemoteChannel::Close() {
  Executor* const home = Executor::Current();
  for (const auto& peer : state_->peers) co_await peer->Close();
  // Whoever ended last may still be giving back its share, on its loop.
  for (const auto& peer : state_->peers) co_await SwitchTo(peer->loop());
  if (home != nullptr) co_await SwitchTo(*home);
  state_->closed = true;
  co_return absl::OkStatus();
}

Task<Status> RemoteChannel::Connect(Ctx ctx) {
  const std::shared_ptr<State> state = state_;
  Executor* const home = Executor::Current();
  PeerConnection& peer = state->Pick();
  co_await SwitchTo(peer.loop());
  const Result<Http2ConnectionPtr> connection = co_await peer.Get(std::move(ctx));
  if (connection.ok()) {
    for (const auto& other : state->peers) {
      co_await SwitchTo(other->loop());
      other->ForgetFailures();
    }
  }
  if (home != nullptr) co_await SwitchTo(*home);
  co_return connection.status();
}

Task<Status> RemoteChannel::Unary(const MethodInfo* method, Ctx ctx, const MessageLite* request,
                                  MessageLite* reply) {
  const std::shared_ptr<State> state = state_;
  Executor* const home = Executor::Current();
  bool repeat = state->config.repeat_idempotent && method->idempotent;
  Status status;
  for (int attempt = 0; attempt < state->config.attempts_max; ++attempt) {
    CO_TRY(ctx.Check());
    CO_TRY(std::string frame, state->Frame(*request));
    PeerConnection& peer = state->Pick();
    co_await SwitchTo(peer.loop());
    const Result<Http2ConnectionPtr> connection = co_await peer.Get(ctx);
    if (!connection.ok()) {
      if (home != nullptr) co_await SwitchTo(*home);
      co_return NotSent(connection.status());
    }
    auto call = std::make_shared<UnaryCall>(state->config.message_bytes_max, home, peer.loop());
    Result<Http2StreamPtr> stream =
        Begin(**connection, method->full_name, ctx, state->HeaderOptions(), std::move(frame), call);
    if (!stream.ok()) {
      if (home != nullptr) co_await SwitchTo(*home);
      status = NotSent(stream.status());
      continue;  // the connection has ended in between: another one
    }
    call->Start(*std::move(stream));
    CancelCallback on_cancel;
    ctx.cancel().OnCancel(on_cancel, [call, &loop = peer.loop()](const Status& reason) {
      loop.Post([call, reason] { call->Cancel(reason); });
    });
    co_await *call;
    status = call->status();
    if (call->refused()) continue;
    if (!status.ok()) co_return status;
    if (std::exchange(repeat, false)) {
      --attempt;
      continue;
    }
    co_return ParseMessage(call->reply(), state->config.message_bytes_max, reply);
  }
  co_return status;
}

Task<Result<std::unique_ptr<RemoteItems>>> RemoteChannel::OpenStream(const MethodInfo* method,
                                                                     Ctx ctx,
                                                                     const MessageLite* request) {
  const std::shared_ptr<State> state = state_;
  Executor* const home = Executor::Current();
  const Ctx opening = ctx.WithTimeout(std::chrono::milliseconds(method->timeout_ms));
  bool repeat = state->config.repeat_idempotent && method->idempotent;
  Status status;
  for (int attempt = 0; attempt < state->config.attempts_max; ++attempt) {
    CO_TRY(ctx.Check());
    CO_TRY(std::string frame, state->Frame(*request));
    PeerConnection& peer = state->Pick();
    co_await SwitchTo(peer.loop());
    const Result<Http2ConnectionPtr> connection = co_await peer.Get(opening);
    Result<Http2StreamPtr> stream = absl::UnavailableError("no connection");
    auto call = std::make_shared<StreamCall>(state->config.message_bytes_max, peer.loop(), ctx);
    if (connection.ok()) {
      stream = Begin(**connection, method->full_name, ctx, state->HeaderOptions(), std::move(frame),
                     call);
    }
    if (stream.ok()) call->Start(*stream);
    if (home != nullptr) co_await SwitchTo(*home);
    if (!connection.ok()) co_return NotSent(connection.status());
    if (!stream.ok()) {
      status = NotSent(stream.status());
      continue;
    }
    auto reader = std::make_unique<StreamReader>(call);
    status = co_await call->Begun(opening);
    if (call->refused()) continue;
    if (!status.ok()) co_return status;
    if (std::exchange(repeat, false)) {
      --attempt;
      continue;
    }
    std::unique_ptr<RemoteItems> items = std::move(reader);
    co_return items;
  }
  co_return status;
}

}  // namespace tessera
