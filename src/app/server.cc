#include "app/server.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "app/api_routes.h"
#include "app/platform.h"
#include "app/service_host.h"
#include "base/str.h"
#include "base/task.h"
#include "control/local_topology.h"
#include "edge/edge.h"
#include "edge/proxy/proxy_routes.h"
#include "flags/local_flags.h"
#include "remote/server.h"
#include "runtime/timer.h"
#include "telemetry/log.h"
#include "tessera/v1/flags_rpc.tessera.h"
#include "tessera/v1/topology_rpc.tessera.h"

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
constexpr Duration kFolderPatience = std::chrono::seconds(2);
constexpr Duration kFolderLook = std::chrono::milliseconds(10);
constexpr std::size_t kRunPathMax = 90;  // a Unix socket's path has 107 bytes

/// Where the processes' sockets lie: DATA/run, or a temporary folder where that path is too long.
class RunFolder {
 public:
  static Result<RunFolder> Make(const std::string& data) {
    std::string path = data + "/run";
    const bool temporary = path.size() > kRunPathMax;
    std::error_code error;
    if (temporary) {
      path = "/tmp/tessera-XXXXXX";
      if (::mkdtemp(path.data()) == nullptr)
        return absl::UnavailableError("cannot make a folder in /tmp for sockets");
    } else {
      std::filesystem::remove_all(path, error);
      if (::mkdir(path.c_str(), 0700) != 0)
        return absl::UnavailableError(StrCat("cannot make the folder ", path));
    }
    return RunFolder(std::move(path));
  }
  RunFolder(RunFolder&& other) noexcept : path_(std::exchange(other.path_, std::string())) {}
  ~RunFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// The first process of a platform: its own services, and the controller of all processes.
class RootProcess {
 public:
  static Result<std::unique_ptr<RootProcess>> Start(const ConfigDocument& config,
                                                    const std::string& data,
                                                    std::optional<TopologySpec> wanted) {
    TRY(DataFolder folder, OpenFolder(data));
    TRY(RunFolder run, RunFolder::Make(folder.path()));
    TRY(TopologyStore store, TopologyStore::Open(folder.path()));
    auto root = std::make_unique<RootProcess>(config, std::move(folder), std::move(run));
    TRY(root->StartAll(std::move(store), std::move(wanted)));
    return root;
  }

  RootProcess(const ConfigDocument& config, DataFolder folder, RunFolder run)
      : config_(config),
        folder_(std::move(folder)),
        run_(std::move(run)),
        identity_(config_.snapshot.Get<IdentityConfig>("identity")) {}

  ~RootProcess() {
    const Ctx ctx = SystemCtx().WithTimeout(kStopTimeout);
    if (topology_) Warn(SyncWait(topology_->Stop(ctx)));
    if (host_) Warn(SyncWait(host_->Stop(ctx)));
    if (server_) Warn(SyncWait(server_->Drain(ctx)));
    if (trust_) Warn(SyncWait(trust_->Stop()));
  }

  ServiceHost& host() { return *host_; }
  Topology& topology() { return *topology_; }
  Flags& flags() { return *flags_; }

 private:
  // The children of a first process that was killed hold the lock for a moment longer.
  static Result<DataFolder> OpenFolder(const std::string& data) {
    const SteadyTime end = Now() + kFolderPatience;
    while (true) {
      Result<DataFolder> folder = DataFolder::Open(data);
      if (folder.ok() || !absl::IsFailedPrecondition(folder.status()) || Now() > end) return folder;
      const Status ignored = SyncWait(SleepFor(Ctx(), kFolderLook));
    }
  }

  static void Warn(const Status& status) {
    if (!status.ok())
      Log(LogLevel::kWarning, "the platform did not stop well", {{"reason", status.ToString()}});
  }

  Status StartAll(TopologyStore store, std::optional<TopologySpec> wanted) {
    auto self = std::make_shared<PlatformProcess>();
    if (identity_.mode == IdentityMode::kBuiltin) {
      TRY(authority_,
          CertificateAuthority::Open(folder_.Path("ca"), {.trust_domain = identity_.trust_domain,
                                                          .lifetime = identity_.lifetime}));
      TRY(self->identity,
          authority_->Issue(SpiffeIdOf(identity_, kRootGroup, {std::string(kGateway)})));
    }
    const auto audit = std::make_shared<AuditLog>(folder_.Path("audit.jsonl"), disk_);
    TRY(trust_, ProcessTrust::Make(identity_, ToMessage(self->identity), audit, disk_));
    host_ = std::make_unique<ServiceHost>(config_.snapshot, folder_, *trust_);
    self->name = "root";
    self->placement.in_root = true;
    self->pid = ::getpid();
    self->address = StrCat("unix:", run_.path(), "/root.sock");
    self->group = &host_->group();
    self->started_ms = WallMillis();

    RemoteServerConfig serving;
    serving.listeners = {RemoteListener{.address = self->address}};
    trust_->Protect(serving);
    server_ = std::make_unique<RemoteServer>(serving, host_->loops(), host_->cpu());
    server_->Serve(host_->group().ServedContracts());
    TRY(server_->Start());

    Supervisor::Options options{.data = folder_.path(),
                                .run_folder = run_.path(),
                                .config = config_.text,
                                .config_name = config_.name,
                                .lock_fd = folder_.lock_fd(),
                                .trust = trust_.get(),
                                .authority = authority_.get(),
                                .identity = identity_};
    topology_ = std::make_unique<LocalTopology>(std::move(options), host_->loops(),
                                                std::move(store), std::move(self));
    TRY(flags_, LocalFlags::Open(config_.snapshot.Get<LocalFlags::Config>("flags"), folder_.path(),
                                 host_->blocking()));
    TRY(SyncWait(topology_->SetFlags(SystemCtx(), flags_->All())));
    flags_->SetPublish([this](Ctx ctx, v1::SetFlagsRequest all) {
      return topology_->SetFlags(std::move(ctx), std::move(all));
    });
    TRY(SyncWait(topology_->Start(SystemCtx(), std::move(wanted))));
    return SyncWait(MakeDefaultCollection(host_->callers().contracts()));
  }

  const ConfigDocument config_;
  const DataFolder folder_;
  const RunFolder run_;
  const IdentityConfig identity_;
  ThreadPool disk_{"identity", 1};
  std::unique_ptr<CertificateAuthority> authority_;  // null: identities come from elsewhere
  std::unique_ptr<ProcessTrust> trust_;
  std::unique_ptr<ServiceHost> host_;
  std::unique_ptr<RemoteServer> server_;
  std::unique_ptr<LocalTopology> topology_;
  std::unique_ptr<LocalFlags> flags_;
};

Result<std::optional<TopologySpec>> WantedTopology(const std::string& file) {
  if (file.empty()) return std::optional<TopologySpec>();
  const Result<std::string> text = ReadConfigText(file);
  if (!text.ok()) return WithExitCode(text.status(), ExitCode::kConfig);
  Result<TopologySpec> spec = ReadTopology(*text, file);
  if (!spec.ok()) return WithExitCode(spec.status(), ExitCode::kConfig);
  return std::optional<TopologySpec>(*std::move(spec));
}

Status Serve(const ServerOptions& options, const ConfigDocument& config) {
  EdgeConfig edge_config = config.snapshot.Get<EdgeConfig>("server");
  if (!options.http.empty()) edge_config.http = options.http;
  if (!options.grpc.empty()) edge_config.grpc = options.grpc;
  TRY(std::optional<TopologySpec> wanted, WantedTopology(options.topology));
  TRY(const std::unique_ptr<RootProcess> root,
      RootProcess::Start(config, options.data, std::move(wanted)));
  ServiceHost& host = root->host();
  const Contracts contracts = host.callers().contracts();
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
  parts.ready = [] { return absl::OkStatus(); };  // it listens only once everything is loaded
  parts.loops = &host.loops();
  parts.blocking = &host.blocking();
  parts.cpu = &host.cpu();
  const auto drain_timeout = edge_config.drain_timeout;
  const std::vector<MethodBinding> bindings = parts.bindings;
  std::unique_ptr<ProxyRoutes> proxies;  // outlives the edge
  TRY(const std::unique_ptr<Edge> edge, Edge::Make(edge_config, std::move(parts)));
  AddFacades(*edge, contracts);
  TRY(proxies,
      ProxyRoutes::Install(config.snapshot.Get<ProxyConfig>("facades"), {.routes = &edge->routes(),
                                                                         .bindings = &bindings,
                                                                         .loops = &host.loops(),
                                                                         .executor = &host.cpu()}));
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
