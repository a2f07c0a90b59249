#pragma once
// One call that came in over the wire, from its head to its status. Only for remote's own .cc
// files.

#include <atomic>
#include <coroutine>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "absl/container/flat_hash_map.h"
#include "net/http2_stream.h"
#include "net/io_loop.h"
#include "remote/message_frame.h"
#include "remote/server.h"
#include "rpc/binding.h"

namespace tessera {

class ServerCall;

/// A method as the server finds it: of a contract, or hand-made for a standard service.
struct ServedMethod {
  MethodBinding binding;
  std::function<Task<Status>(std::shared_ptr<ServerCall>)> serve;
};

/// What the calls of a server share. Outlives them.
struct ServerShared {
  RemoteServerConfig config;
  Executor& cpu;
  absl::flat_hash_map<std::string, ServedMethod> methods;  ///< by path
  std::atomic<std::int64_t> calls{0};
  std::atomic<bool> draining{false};
  std::function<void()> call_ended;
};

/// What the calls of a listener share.
struct ListenerTraits {
  bool trusts_identity = false;
  bool health_only = false;
  bool compresses = false;
  const TlsContext* tls = nullptr;
};

/// On its connection's loop, but for the service's own part. Kept alive by its stream and by the
/// coroutine that serves it.
class ServerCall final : public Http2User, public std::enable_shared_from_this<ServerCall> {
 public:
  ServerCall(ServerShared& shared, IoLoop& loop, ListenerTraits traits, Http2StreamPtr stream,
             std::shared_ptr<const TlsPeer> peer);
  ~ServerCall() override;

  void OnEvent() override;

  const Ctx& ctx() const { return ctx_; }
  ServerShared& shared() { return shared_; }
  /// The next message; nothing after the last. On the loop.
  Task<Result<std::optional<RawMessage>>> Read();
  /// Waits while the caller is slower. CANCELLED when it has gone.
  Task<Status> Send(const google::protobuf::Message* message);

 private:
  struct NextEvent {
    ServerCall& call;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) { call.waiting_ = handle; }
    void await_resume() const noexcept {}
  };

  bool SpeaksGrpc() const;
  bool BodyIsHere() const;
  void Begin();
  Status BeginContext();
  void Refuse(const Status& status);
  Task<void> Run(const ServedMethod* method);
  Task<Status> MeetFaults(const ServedMethod* method);
  Task<Result<MessagePtr>> ReadRequest(const MethodBinding* binding);
  Task<Status> ServeUnary(const MethodBinding* binding);
  Task<Status> ServeStream(const MethodBinding* binding);
  void SendHead();
  void Finish(const Status& status);

  ServerShared& shared_;
  IoLoop& loop_;
  const ListenerTraits traits_;
  const Http2StreamPtr stream_;
  const std::shared_ptr<const TlsPeer> peer_;  ///< null without TLS
  MessageReader reader_;
  Ctx ctx_;
  CancelSource cancel_;
  std::string authorization_;
  std::coroutine_handle<> waiting_;
  bool begun_ = false;
  bool counted_ = false;
  bool head_sent_ = false;
  bool gzip_ = false;
};

}  // namespace tessera
