#include "app/server.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <optional>
#include <utility>

#include <unistd.h>

#include "app/api_routes.h"
#include "app/root_process.h"
#include "app/telemetry.h"
#include "app/topology_file.h"
#include "app/topology_sections.h"
#include "base/task.h"
#include "edge/edge.h"
#include "edge/jaeger_routes.h"
#include "edge/proxy/proxy_routes.h"
#include "telemetry/log.h"
#include "tessera/v1/flags_rpc.tessera.h"
#include "tessera/v1/topology_rpc.tessera.h"
#include "tessera/v1/traces_rpc.tessera.h"

namespace tessera {
namespace {

// SIGTERM and SIGINT are blocked in every thread from the start and waited for in one place.
sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

/// DATA/endpoint, where commands find the server; gone when the server is.
class EndpointFile {
 public:
  EndpointFile(std::string path, const std::string& url) : path_(std::move(path)) {
    const std::string temporary = path_ + ".new";
    std::ofstream(temporary) << url << "\n";
    if (std::rename(temporary.c_str(), path_.c_str()) != 0) {
      Log(LogLevel::kWarning, "cannot write the endpoint file", {{"path", path_}});
    }
  }
  ~EndpointFile() { unlink(path_.c_str()); }
  EndpointFile(const EndpointFile&) = delete;

 private:
  const std::string path_;
};

void Greet(Edge& edge, const ServerOptions& options) {
  const std::string url = edge.url();
  if (options.no_auth) {
    std::fprintf(
        stderr, "Tessera serves on %s without keys: everybody on this machine may do everything.\n",
        url.c_str());
    return;
  }
  std::fprintf(stderr,
               "Tessera serves on %s\n\n  Open this link once to sign in:  %s\n  Programs send the "
               "key in %s/owner.key as "
               "\"Authorization: Bearer KEY\".\n\n",
               url.c_str(), edge.NewLoginLink().c_str(), options.data.c_str());
}

void GreetGrpc(const Edge& edge) {
  const std::string address = edge.grpc_address();
  if (!address.empty())
    std::fprintf(stderr, "  The contracts are served over gRPC on %s.\n", address.c_str());
}

constexpr auto kStopTimeout = std::chrono::seconds(60);

struct WantedTopology {
  std::string text;
  TopologySpec spec;
};

Result<std::optional<WantedTopology>> ReadWanted(const std::string& file) {
  if (file.empty()) return std::optional<WantedTopology>();
  Result<std::string> text = ReadConfigText(file);
  if (!text.ok()) return WithExitCode(text.status(), ExitCode::kConfig);
  Result<TopologySpec> spec = ReadTopology(*text, file);
  if (!spec.ok()) return WithExitCode(spec.status(), ExitCode::kConfig);
  return std::optional<WantedTopology>({*std::move(text), *std::move(spec)});
}

/// Follows the file of --topology while it lives.
class FollowedTopology {
 public:
  FollowedTopology(const std::string& file, const std::optional<WantedTopology>& wanted,
                   RootProcess& root) {
    if (!wanted) return;
    file_.emplace(file, wanted->text, root.topology());
    file_->Start(root.host().blocking());
  }
  ~FollowedTopology() {
    if (file_) const Status stopped = SyncWait(file_->Stop());
  }
  FollowedTopology(const FollowedTopology&) = delete;

 private:
  std::optional<TopologyFile> file_;
};

/// Routes and flags go by the topology while it lives.
class FollowedSections {
 public:
  FollowedSections(ProxyRoutes& proxies, RootProcess& root)
      : sections_(proxies, root.flags()), topology_(root.topology()) {}
  ~FollowedSections() { const Status ended = SyncWait(topology_.SetFollower(nullptr)); }
  FollowedSections(const FollowedSections&) = delete;

  Status Begin() { return SyncWait(topology_.SetFollower(&sections_)); }

 private:
  TopologySections sections_;
  LocalTopology& topology_;
};

Status Serve(const ServerOptions& options, const ConfigDocument& config) {
  EdgeConfig edge_config = config.snapshot.Get<EdgeConfig>("server");
  if (!options.http.empty()) edge_config.http = options.http;
  if (!options.grpc.empty()) edge_config.grpc = options.grpc;
  TRY(const std::optional<WantedTopology> wanted, ReadWanted(options.topology));
  const TelemetryConfig telemetry_config = RecordRequests(config.snapshot, "root", "root");
  TRY(const std::unique_ptr<RootProcess> root,
      RootProcess::Start(config, options.data,
                         wanted ? std::optional(wanted->spec) : std::nullopt));
  ServiceHost& host = root->host();
  const Contracts contracts = host.callers().contracts();
  TRY(const std::unique_ptr<PlatformTelemetry> telemetry,
      PlatformTelemetry::Start(telemetry_config, options.data, *root));
  EdgeParts parts;
  parts.data_folder = options.data;
  parts.version = TESSERA_VERSION;
  parts.no_auth = options.no_auth;
  parts.dataprep = &contracts.dataprep;
  parts.inference = &contracts.inference;
  parts.retrieval = &contracts.retrieval;
  parts.bindings = BindingsOf(contracts);
  for (MethodBinding& binding : Bind(root->topology()))
    parts.bindings.push_back(std::move(binding));
  for (MethodBinding& binding : Bind(root->flags())) parts.bindings.push_back(std::move(binding));
  for (MethodBinding& binding : Bind(telemetry->traces()))
    parts.bindings.push_back(std::move(binding));
  parts.ready = [] { return absl::OkStatus(); };  // it listens only once everything is loaded
  parts.loops = &host.loops();
  parts.blocking = &host.blocking();
  parts.cpu = &host.cpu();
  const auto drain_timeout = edge_config.drain_timeout;
  const std::vector<MethodBinding> bindings = parts.bindings;
  std::unique_ptr<ProxyRoutes> proxies;  // outlives the edge
  TRY(const std::unique_ptr<Edge> edge, Edge::Make(edge_config, std::move(parts)));
  AddFacades(*edge, contracts);
  AddJaegerRoutes(telemetry->traces(), telemetry_config.service_name, edge->routes());
  TRY(proxies,
      ProxyRoutes::Install(config.snapshot.Get<ProxyConfig>("facades"), {.routes = &edge->routes(),
                                                                         .bindings = &bindings,
                                                                         .loops = &host.loops(),
                                                                         .executor = &host.cpu()}));
  FollowedSections sections(*proxies, *root);
  TRY(sections.Begin());
  TRY(edge->Start());
  const EndpointFile endpoint(options.data + "/endpoint", edge->url());
  Greet(*edge, options);
  GreetGrpc(*edge);
  const FollowedTopology followed(options.topology, wanted, *root);

  const sigset_t signals = StopSignals();
  int signal = 0;
  sigwait(&signals, &signal);
  Log(LogLevel::kInfo, "stopping", {{"signal", signal}});
  const Status drained = SyncWait(edge->Drain(Ctx().WithTimeout(drain_timeout)));
  if (!drained.ok())
    Log(LogLevel::kWarning, "some requests were cut", {{"reason", drained.ToString()}});
  const Status ended = SyncWait(proxies->Stop(SystemCtx().WithTimeout(kStopTimeout)));
  if (!ended.ok())
    Log(LogLevel::kWarning, "some mirrored requests did not end", {{"reason", ended.ToString()}});
  return absl::OkStatus();
}

}  // namespace

ExitCode RunServer(const ServerOptions& options, const ConfigDocument& config) {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  Status status = Serve(options, config);
  if (absl::IsInvalidArgument(status)) status = WithExitCode(std::move(status), ExitCode::kUsage);
  if (absl::IsUnavailable(status)) status = WithExitCode(std::move(status), ExitCode::kFailed);
  return status.ok() ? ExitCode::kOk : Fail(status);
}

}  // namespace tessera
