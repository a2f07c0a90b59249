#include "app/server.h"

#include <csignal>
#include <cstdio>
#include <fstream>
#include <utility>

#include <unistd.h>

#include "app/api_routes.h"
#include "app/platform.h"
#include "base/task.h"
#include "edge/edge.h"
#include "telemetry/log.h"

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

Status Serve(const ServerOptions& options, const ConfigSnapshot& config) {
  EdgeConfig edge_config = config.Get<EdgeConfig>("server");
  if (!options.http.empty()) edge_config.http = options.http;
  if (!options.grpc.empty()) edge_config.grpc = options.grpc;
  TRY(const std::unique_ptr<Platform> platform, StartPlatform(config, options.data));
  const Contracts contracts{platform->inference(), platform->retrieval(), platform->dataprep(),
                            platform->orchestration()};
  EdgeParts parts;
  parts.data_folder = options.data;
  parts.version = TESSERA_VERSION;
  parts.no_auth = options.no_auth;
  parts.dataprep = &contracts.dataprep;
  parts.inference = &contracts.inference;
  parts.retrieval = &contracts.retrieval;
  parts.bindings = BindingsOf(contracts);
  parts.ready = [] { return absl::OkStatus(); };  // it listens only once everything is loaded
  parts.loops = &platform->loops();
  parts.blocking = &platform->blocking();
  parts.cpu = &platform->cpu();
  const auto drain_timeout = edge_config.drain_timeout;
  TRY(const std::unique_ptr<Edge> edge, Edge::Make(edge_config, std::move(parts)));
  AddFacades(*edge, contracts);
  TRY(edge->Start());
  const EndpointFile endpoint(options.data + "/endpoint", edge->url());
  Greet(*edge, options);
  GreetGrpc(*edge);

  const sigset_t signals = StopSignals();
  int signal = 0;
  sigwait(&signals, &signal);
  Log(LogLevel::kInfo, "stopping", {{"signal", signal}});
  const Status drained = SyncWait(edge->Drain(Ctx().WithTimeout(drain_timeout)));
  if (!drained.ok())
    Log(LogLevel::kWarning, "some requests were cut", {{"reason", drained.ToString()}});
  return absl::OkStatus();
}

}  // namespace

ExitCode RunServer(const ServerOptions& options, const ConfigSnapshot& config) {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  Status status = Serve(options, config);
  if (absl::IsInvalidArgument(status)) status = WithExitCode(std::move(status), ExitCode::kUsage);
  if (absl::IsUnavailable(status)) status = WithExitCode(std::move(status), ExitCode::kFailed);
  return status.ok() ? ExitCode::kOk : Fail(status);
}

}  // namespace tessera
