#pragma once
// The remote door: contracts served over gRPC's wire protocol, to peers and to foreign clients.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/key_holder.h"
#include "net/http2.h"
#include "net/io_loop.h"
#include "net/tls.h"
#include "remote/fault_rules.h"
#include "rpc/binding.h"

namespace tessera {

/// Where a server listens, and whom it believes there.
struct RemoteListener {
  std::string address = "127.0.0.1:8081";  ///< see ParseStreamAddress()
  /// Principal, scopes and tenant are taken from the metadata: only with `tls`, or where nobody but
  /// the platform's own processes can connect.
  bool trusts_identity = false;
  /// With it only peers that prove who they are get in, over TLS. Null: cleartext.
  std::shared_ptr<const TlsContext> tls;
  /// Nothing but grpc.health.v1, whoever asks: for probes, which have no identity.
  bool health_only = false;
  /// Replies to callers that can read it are compressed when that makes them smaller.
  bool compresses = false;
  int adopted_socket = -1;  ///< a listening socket of a predecessor, instead of `address`
};

struct RemoteServerConfig {
  std::vector<RemoteListener> listeners = {RemoteListener{}};
  std::uint32_t message_bytes_max = 16 << 20;  ///< of one request, compressed or not
  std::uint32_t gzip_bytes_min = 4 << 10;      ///< smaller replies are not compressed
  std::int64_t calls_max = 10'000;             ///< at once; more are UNAVAILABLE with a retry hint
  std::int64_t connections_max = 10'000;       ///< at once; more are closed
  Http2Limits http2;
  /// Who an `authorization` field stands for; "" when there is none. Must be quick. Unset: nobody.
  std::function<Result<KeyHolder>(std::string_view authorization)> authenticate;
  /// Whether a peer may call a method, the standard services' included; without TLS the peer's id
  /// is empty. Its error is the caller's: PERMISSION_DENIED. Must be quick. Unset: everybody.
  std::function<Status(const TlsPeer& peer, const MethodInfo& method)> permit;
  /// Faults on purpose, for drills; null: none. They meet a call before its service does.
  std::shared_ptr<FaultRules> faults;
  /// Told of every connection that TLS refused, by this side or the peer's, and why. Must be quick.
  std::function<void(const std::string& why)> on_refused;
};

/// Besides the contracts: grpc.health.v1 and grpc.reflection (v1 and v1alpha). Thread-safe once
/// started.
class RemoteServer {
 public:
  /// `cpu` takes the work on large messages. Both outlive the server.
  RemoteServer(RemoteServerConfig config, IoLoops& loops, Executor& cpu);
  ~RemoteServer();
  RemoteServer(const RemoteServer&) = delete;

  /// Before Start: `methods` of Bind(service); the service outlives the server.
  void Serve(std::vector<MethodBinding> methods);
  Status Start();
  /// Of the listener at this place in the config; 0 of a Unix socket.
  std::uint16_t port(std::size_t listener = 0) const;
  /// The listening socket, for a successor's `adopted_socket`; it is the caller's. What waits to be
  /// accepted is not lost when this server drains.
  int HandOver(std::size_t listener = 0);
  /// From Start on: whether connections are taken. With true the sockets are this server's again.
  void TakeConnections(bool takes);

  /// What grpc.health.v1 tells of a contract ("" is the whole server). SERVING from the start on.
  void SetServing(const std::string& contract, bool serving);

  std::int64_t calls() const;
  std::int64_t connections() const;

  /// Cuts the connections of every peer that `unwanted` names: one that was revoked. Cleartext ones
  /// stay. `unwanted` runs on the loops.
  void CutPeers(std::function<bool(const TlsPeer& peer)> unwanted);

  /// Health tells NOT_SERVING, unless a successor has the sockets; nothing is accepted, GOAWAY;
  /// calls in flight finish. When ctx ends first, the rest is cancelled and cut, and its status is
  /// returned.
  Task<Status> Drain(Ctx ctx);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tessera
