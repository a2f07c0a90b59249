#pragma once
// The edge put together: keys, routes, limits and the server.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "config/fields.h"
#include "edge/auth.h"
#include "edge/edge_service.h"
#include "edge/system_routes.h"
#include "edge/upload.h"
#include "net/http_server.h"
#include "remote/server.h"
#include "rpc/binding.h"
#include "tessera/v1/dataprep.tessera.h"

namespace tessera {

/// Section `server` of the configuration.
struct EdgeConfig {
  std::string http = "127.0.0.1:8080";
  std::string grpc;  ///< empty: no gRPC
  std::uint32_t io_threads = 0;
  std::vector<ApiKeyConfig> api_keys;
  std::vector<std::string> cors_origins;
  std::uint32_t connections_max = 10'000;
  std::uint32_t in_flight_max = 512;
  Bytes upload_bytes_max{std::uint64_t{4} << 30};
  std::chrono::milliseconds head_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(75);
  std::chrono::milliseconds write_stall_timeout = std::chrono::seconds(60);
  std::chrono::milliseconds stop_delay{0};
  std::chrono::milliseconds drain_timeout = std::chrono::seconds(20);
  std::chrono::seconds session_time = std::chrono::hours(24 * 30);
  static void Describe(Fields<EdgeConfig>& f);
};

/// "127.0.0.1:8080", "[::1]:0", "localhost:8080" taken apart.
struct ListenAddress {
  std::string address;
  std::uint16_t port = 0;
  bool is_loopback = false;
};
Result<ListenAddress> ParseListenAddress(std::string_view text);

/// Listening sockets that go from one process to another; whoever has this owns them.
struct EdgeSockets {
  std::vector<int> http;  ///< empty: none
  int grpc = -1;          ///< -1: none
};

/// What the edge stands in front of. All of it outlives the edge.
struct EdgeParts {
  std::string data_folder;
  std::string version;
  bool no_auth = false;
  Dataprep* dataprep = nullptr;
  Inference* inference = nullptr;
  Retrieval* retrieval = nullptr;
  std::vector<MethodBinding> bindings;   ///< of every contract that has REST paths
  std::function<HealthReport()> health;  ///< for /health/ready; unset: it is good
  /// What /metrics tells; unset: this process alone.
  std::function<Task<std::string>(Ctx, ExpositionFormat)> figures;
  IoLoops* loops = nullptr;
  Executor* blocking = nullptr;  ///< files
  Executor* cpu = nullptr;       ///< compression
  EdgeSockets adopted;           ///< of a predecessor, instead of the addresses
};

/// Make it, add routes of the façades to routes(), Start(), and Drain() before it goes.
class Edge {
 public:
  /// Refuses --no-auth on an address that others can reach, and a key file that others can read.
  static Result<std::unique_ptr<Edge>> Make(EdgeConfig config, EdgeParts parts);

  /// Until Start.
  HttpRoutes& routes() { return routes_; }
  /// For routes that take files.
  UploadPlace uploads() const;
  Status Start();
  /// From Start on: all that is served.
  const HttpRoutes& served() const { return service_->routes(); }
  /// Where it listens: "http://127.0.0.1:8080".
  std::string url() const;
  /// `url()/login?token=…`, good once.
  std::string NewLoginLink();
  const OwnerKey& owner_key() const { return owner_key_; }
  const HttpServer& server() const { return *server_; }
  /// Where gRPC is served, "127.0.0.1:8081"; "" when it is not.
  std::string grpc_address() const;
  /// From Start on: second handles of the listening sockets, for a successor.
  Result<EdgeSockets> HandOver();
  /// From Start on: whether connections are taken. Those that come meanwhile wait for it, or for a
  /// successor.
  void Accept(bool accepts);
  /// From Start on.
  EdgeService::Answered answered() const { return service_->answered(); }
  /// The gRPC health service says NOT_SERVING from now on; calls are still taken.
  void AnnounceStop();
  /// Accepts no more; connections end with their next reply, or unused. Returns when none is left,
  /// or when ctx ends; Drain() is still to come.
  Task<Status> Leave(Ctx ctx);
  Task<Status> Drain(Ctx ctx);

 private:
  Edge(EdgeConfig config, EdgeParts parts, ListenAddress address, OwnerKey key);
  Status StartGrpc();

  const EdgeConfig config_;
  const EdgeParts parts_;
  const ListenAddress address_;
  const OwnerKey owner_key_;
  Authenticator authenticator_;
  HttpRoutes routes_;
  std::string openapi_;
  std::unique_ptr<EdgeService> service_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<RemoteServer> grpc_;  // null: not asked for
};

}  // namespace tessera
