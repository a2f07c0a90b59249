#pragma once
// The caller's end of the remote door: a contract served elsewhere, called like a local one.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/http2.h"
#include "net/io_loop.h"
#include "net/tls.h"
#include "remote/caller.h"

namespace tessera {

struct RemoteChannelConfig {
  std::string address;  ///< see ParseStreamAddress()
  /// Principal, scopes and tenant go with each call: for peers of this platform only. Others are
  /// pinged every five minutes at most.
  bool send_identity = false;
  std::string authorization;  ///< "Bearer …" for a foreign server; empty: none
  /// Goes with each call to a foreign server, at most eight fields; names in lower case.
  std::vector<std::pair<std::string, std::string>> metadata;
  std::uint32_t message_bytes_max = 64 << 20;  ///< of one reply, compressed or not
  std::uint32_t gzip_bytes_min = 0;            ///< larger requests are compressed; 0: none
  Duration connect_timeout = std::chrono::seconds(5);
  Duration reconnect_after_max = std::chrono::seconds(2);  ///< the longest pause between attempts
  int attempts_max = 3;  ///< of a call that the peer refused before it did anything with it
  Http2Limits http2;
  /// With it every connection is mutual TLS; when it is renewed, new connections take the place of
  /// those made before. Null: cleartext.
  std::shared_ptr<const TlsContext> tls;
  /// Who must be at the address: a SPIFFE id, or a prefix of one that ends with '/'. Another peer
  /// gets no request. Empty: anybody of the trust domain.
  std::string expected_peer;
  /// For tests: each idempotent call is sent twice, and the second answer is the one given.
  bool repeat_idempotent = false;
};

/// A peer at one address. Calls made on one of `loops` use that loop's own connection and never
/// leave the loop; others are handed to a loop. Connects when first called, and again when the
/// connection is lost. Thread-safe.
class RemoteChannel final : public RemoteCaller {
 public:
  RemoteChannel(RemoteChannelConfig config, IoLoops& loops);
  /// Close() comes first.
  ~RemoteChannel() override;
  RemoteChannel(const RemoteChannel&) = delete;

  /// Ends every call, with CANCELLED or UNAVAILABLE, and every connection.
  Task<Status> Close();

  /// A connection to the peer on one of the loops, made now when there is none: to see whether it
  /// is there. When it is, no loop pauses any longer for having failed before.
  Task<Status> Connect(Ctx ctx);

  Task<Status> Unary(const MethodInfo* method, Ctx ctx,
                     const google::protobuf::MessageLite* request,
                     google::protobuf::MessageLite* reply) override;
  Task<Result<std::unique_ptr<RemoteItems>>> OpenStream(
      const MethodInfo* method, Ctx ctx, const google::protobuf::MessageLite* request) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tessera
