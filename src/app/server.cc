#include "app/server.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <unistd.h>

#include "app/api_routes.h"
#include "app/child_process.h"
#include "app/components.h"
#include "app/lineage.h"
#include "app/logging.h"
#include "app/platform_health.h"
#include "app/platform_profiles.h"
#include "app/root_process.h"
#include "app/telemetry.h"
#include "app/topology_file.h"
#include "app/topology_sections.h"
#include "app/version.h"
#include "base/task.h"
#include "control/topology_store.h"
#include "edge/edge.h"
#include "edge/jaeger_routes.h"
#include "edge/profile_routes.h"
#include "edge/prometheus_routes.h"
#include "edge/proxy/proxy_routes.h"
#include "runtime/timer.h"
#include "services/orchestration/local_recordings.h"
#include "telemetry/log.h"
#include "telemetry/process_name.h"
#include "tessera/v1/flags_rpc.tessera.h"
#include "tessera/v1/logs_rpc.tessera.h"
#include "tessera/v1/monitoring_rpc.tessera.h"
#include "tessera/v1/recordings_rpc.tessera.h"
#include "tessera/v1/topology_rpc.tessera.h"
#include "tessera/v1/traces_rpc.tessera.h"

namespace tessera {
namespace {

// SIGTERM and SIGINT are blocked in every thread from the start, and come by a descriptor.
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
  ~EndpointFile() {
    if (!released_) unlink(path_.c_str());
  }
  /// It is another process's, and stays.
  void Release() { released_ = true; }
  EndpointFile(const EndpointFile&) = delete;

 private:
  const std::string path_;
  bool released_ = false;
};

// For people. A program reads JSON, and passes what it reads on: it gets a record, and no link that
// signs in whoever finds it.
void Greet(Edge& edge, const ServerOptions& options, LogFormat format) {
  const std::string url = edge.url();
  const std::string grpc = edge.grpc_address();
  if (format == LogFormat::kJson) {
    Log(LogLevel::kInfo, "serving", {{"url", url}, {"grpc", grpc}, {"keys", !options.no_auth}});
    return;
  }
  if (options.no_auth) {
    std::fprintf(
        stderr, "Tessera serves on %s without keys: everybody on this machine may do everything.\n",
        url.c_str());
  } else {
    std::fprintf(
        stderr,
        "Tessera serves on %s\n\n  Open this link once to sign in:  %s\n  Programs send the "
        "key in %s/owner.key as "
        "\"Authorization: Bearer KEY\".\n\n",
        url.c_str(), edge.NewLoginLink().c_str(), options.data.c_str());
  }
  if (!grpc.empty())
    std::fprintf(stderr, "  The contracts are served over gRPC on %s.\n", grpc.c_str());
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

// As the log calls the process from its first record on. Mistakes are told of where it is read.
std::string GatewayGroup(const std::string& data,
                         const Result<std::optional<WantedTopology>>& wanted) {
  if (wanted.ok() && *wanted) return (*wanted)->spec.GroupOf(kGateway);
  if (std::error_code ignored; std::filesystem::exists(data, ignored)) {
    const auto store = TopologyStore::Open(data);
    const auto current = store.ok() ? store->Current() : store.status();
    if (current.ok() && *current) return (*current)->spec.GroupOf(kGateway);
  }
  return OneProcess().GroupOf(kGateway);
}

/// Follows the file of --topology, while this process has the control. Thread-safe.
class FollowedTopology {
 public:
  ~FollowedTopology() { Stop(); }

  void Start(const std::string& path, const std::string& applied, RootProcess& root) {
    std::lock_guard lock(mutex_);
    if (path.empty()) return;
    file_.emplace(path, applied, root.topology());
    file_->Start(root.host().blocking());
  }
  void Stop() {
    std::lock_guard lock(mutex_);
    if (file_) const Status stopped = SyncWait(file_->Stop());
    file_.reset();
  }
  std::string applied(const std::string& otherwise) {
    std::lock_guard lock(mutex_);
    return file_ ? file_->seen() : otherwise;
  }

 private:
  std::mutex mutex_;
  std::optional<TopologyFile> file_;
};

/// Routes and flags go by the topology while it lives.
class FollowedSections {
 public:
  FollowedSections(ProxyRoutes& proxies, RootProcess& root)
      : sections_(proxies, root.flags()), root_(root) {}
  ~FollowedSections() { const Status ended = root_.SetFollower(nullptr); }
  FollowedSections(const FollowedSections&) = delete;

  Status Begin() { return root_.SetFollower(&sections_); }

 private:
  TopologySections sections_;
  RootProcess& root_;
};

/// A process with the edge, from its start to its end.
class ServingProcess {
 public:
  /// `bootstrap` null: the process that was started first.
  ServingProcess(const ServerOptions& options, const ConfigDocument& config, Lineage& lineage,
                 const v1::GroupBootstrap* bootstrap)
      : options_(options), config_(config), lineage_(lineage), bootstrap_(bootstrap) {}
  ServingProcess(const ServingProcess&) = delete;

  Status Run();

 private:
  Status StartRoot();
  Status MakeEdge();
  Status Live();
  Status End();
  Result<SuccessorParts> PartsOfSuccessor();

  const ServerOptions options_;
  const ConfigDocument& config_;
  Lineage& lineage_;
  const v1::GroupBootstrap* const bootstrap_;
  EdgeConfig edge_config_;
  std::string topology_text_;  ///< of the file that is followed, as it was applied
  TelemetryConfig telemetry_config_;
  std::unique_ptr<LogRun> log_;
  std::unique_ptr<PlatformLogs> logs_;  // outlives the platform: its last words go out too
  std::unique_ptr<RootProcess> root_;
  std::optional<PlatformLogs::Following> gathering_;
  std::unique_ptr<PlatformTelemetry> telemetry_;
  std::unique_ptr<LocalRecordings> recordings_;
  std::vector<MethodBinding> bindings_;
  std::unique_ptr<ProxyRoutes> proxies_;  // outlives the edge
  std::optional<PlatformHealth> health_;  // outlives the edge
  std::unique_ptr<Edge> edge_;
  std::optional<FollowedSections> sections_;
  std::optional<EndpointFile> endpoint_;
  FollowedTopology followed_;
};

Status ServingProcess::StartRoot() {
  const Result<std::optional<WantedTopology>> wanted =
      ReadWanted(bootstrap_ == nullptr ? options_.topology : "");
  const std::string group = bootstrap_ != nullptr && !bootstrap_->group().empty()
                                ? bootstrap_->group()
                                : GatewayGroup(options_.data, wanted);
  SetProcessName({.group = group, .process = group});
  log_ = BeginLog(config_.snapshot, bootstrap_);
  telemetry_config_ = RecordRequests(config_.snapshot);
  if (bootstrap_ != nullptr) {
    topology_text_ = bootstrap_->successor().topology_text();
    TRY(root_, RootProcess::Succeed(config_, *bootstrap_, lineage_));
    return absl::OkStatus();
  }
  if (!wanted.ok()) return wanted.status();
  if (*wanted) topology_text_ = (*wanted)->text;
  TRY(root_, RootProcess::Start(config_, options_.data,
                                *wanted ? std::optional((*wanted)->spec) : std::nullopt, lineage_));
  return absl::OkStatus();
}

EdgeSockets AdoptedSockets(const v1::SuccessorBootstrap& from) {
  EdgeSockets sockets;
  int next = kFirstEdgeFd;
  for (std::uint32_t i = 0; i < from.http_sockets(); ++i) sockets.http.push_back(next++);
  if (from.grpc_socket()) sockets.grpc = next;
  return sockets;
}

Status ServingProcess::MakeEdge() {
  ServiceHost& host = root_->host();
  const Contracts contracts = host.callers().contracts();
  TRY(logs_, PlatformLogs::Start(config_.snapshot, options_.data, bootstrap_ == nullptr));
  gathering_.emplace(*logs_, *root_);
  TRY(telemetry_,
      PlatformTelemetry::Start(telemetry_config_, config_.snapshot.Get<SloConfig>("slos"),
                               options_.data, *root_));
  recordings_ = std::make_unique<LocalRecordings>(
      Recorded(config_.snapshot, root_->folder()),
      config_.snapshot.Get<LocalOrchestration::Config>("services.orchestration"),
      contracts.inference, contracts.retrieval, host.cpu(), host.blocking());
  EdgeParts parts;
  parts.data_folder = options_.data;
  parts.version = kVersion;
  parts.no_auth = options_.no_auth;
  parts.dataprep = &contracts.dataprep;
  parts.inference = &contracts.inference;
  parts.retrieval = &contracts.retrieval;
  parts.bindings = BindingsOf(contracts);
  for (MethodBinding& binding : Bind(root_->topology()))
    parts.bindings.push_back(std::move(binding));
  for (MethodBinding& binding : Bind(root_->flags())) parts.bindings.push_back(std::move(binding));
  for (MethodBinding& binding : Bind(logs_->logs())) parts.bindings.push_back(std::move(binding));
  for (MethodBinding& binding : Bind(telemetry_->traces()))
    parts.bindings.push_back(std::move(binding));
  for (MethodBinding& binding : Bind(telemetry_->monitoring()))
    parts.bindings.push_back(std::move(binding));
  for (MethodBinding& binding : Bind(*recordings_)) parts.bindings.push_back(std::move(binding));
  parts.figures = [this](Ctx ctx, ExpositionFormat format) {
    return telemetry_->figures().Text(std::move(ctx), format);
  };
  health_.emplace(host.group(), options_.data);
  parts.health = [this] { return health_->Look(); };
  parts.loops = &host.loops();
  parts.blocking = &host.blocking();
  parts.cpu = &host.cpu();
  if (bootstrap_ != nullptr) parts.adopted = AdoptedSockets(bootstrap_->successor());
  bindings_ = parts.bindings;
  TRY(edge_, Edge::Make(edge_config_, std::move(parts)));
  AddFacades(*edge_, contracts);
  AddJaegerRoutes(telemetry_->traces(), telemetry_config_.service_name, edge_->routes());
  AddProfileRoutes(
      [root = root_.get()](Ctx ctx, v1::TakeProfileRequest request, std::string target) {
        return TakeProfilesOf(root, std::move(ctx), std::move(request), std::move(target));
      },
      host.cpu(), edge_->routes());
  AddPrometheusRoutes(telemetry_->monitoring(), kVersion, edge_->routes());
  TRY(proxies_, ProxyRoutes::Install(config_.snapshot.Get<ProxyConfig>("facades"),
                                     {.routes = &edge_->routes(),
                                      .bindings = &bindings_,
                                      .loops = &host.loops(),
                                      .executor = &host.cpu()}));
  sections_.emplace(*proxies_, *root_);
  return sections_->Begin();
}

Result<SuccessorParts> ServingProcess::PartsOfSuccessor() {
  SuccessorParts parts;
  v1::SuccessorBootstrap& told = parts.bootstrap;
  told.set_data(options_.data);
  told.set_http(edge_config_.http);
  told.set_grpc(edge_config_.grpc);
  told.set_no_auth(options_.no_auth);
  told.set_topology_file(options_.topology);
  told.set_topology_text(followed_.applied(topology_text_));
  TRY(const EdgeSockets sockets, edge_->HandOver());
  for (const int socket : sockets.http) parts.descriptors.emplace_back(socket);
  told.set_http_sockets(static_cast<std::uint32_t>(sockets.http.size()));
  told.set_grpc_socket(sockets.grpc >= 0);
  if (sockets.grpc >= 0) parts.descriptors.emplace_back(sockets.grpc);
  return parts;
}

Status ServingProcess::Run() {
  edge_config_ = config_.snapshot.Get<EdgeConfig>("server");
  if (!options_.http.empty()) edge_config_.http = options_.http;
  if (!options_.grpc.empty()) edge_config_.grpc = options_.grpc;
  TRY(StartRoot());
  TRY(MakeEdge());
  if (bootstrap_ == nullptr) {
    TRY(edge_->Start());
    endpoint_.emplace(options_.data + "/endpoint", edge_->url());
    Greet(*edge_, options_, FormatOfLog(config_.snapshot));
    followed_.Start(options_.topology, topology_text_, *root_);
  }
  root_->SetSuccessorParts([this] { return PartsOfSuccessor(); });
  root_->gateway().Attach(*edge_, bootstrap_ == nullptr);
  TRY(Live());
  return End();
}

Status ServingProcess::Live() {
  bool handed_over = false;
  while (true) {
    switch (lineage_.Next()) {
      case TurnOfLife::kTookOver:
        endpoint_.emplace(options_.data + "/endpoint", edge_->url());
        followed_.Start(options_.topology, topology_text_, *root_);
        logs_->BeginSending();
        break;
      case TurnOfLife::kHandedOver:
        handed_over = true;
        if (endpoint_) endpoint_->Release();
        followed_.Stop();
        logs_->EndSending();
        break;
      case TurnOfLife::kLeft:
        if (handed_over) return absl::OkStatus();
        break;
      case TurnOfLife::kSuccessorEnded:
        // With the platform: nothing of it is worth ending well.
        ::_exit(static_cast<int>(lineage_.EndOfSuccessor()));
      case TurnOfLife::kStopSignal:
        if (!handed_over) return absl::OkStatus();
        lineage_.PassSignalOn();
        break;
    }
  }
}

Status ServingProcess::End() {
  Log(LogLevel::kInfo, "stopping", {});
  health_->BeginStopping();
  edge_->AnnounceStop();
  SyncWait(SleepFor(SystemCtx(), edge_config_.stop_delay)).IgnoreError();
  const Ctx grace = Ctx().WithTimeout(edge_config_.drain_timeout);
  const Status drained = SyncWait(edge_->Drain(grace));
  if (!drained.ok())
    Log(LogLevel::kWarning, "some requests were cut", {{"reason", drained.ToString()}});
  const Status left = SyncWait(root_->AwaitPredecessor(grace));
  if (!left.ok()) Log(LogLevel::kWarning, "some requests of the old gateway were cut", {});
  followed_.Stop();
  const Status ended = SyncWait(proxies_->Stop(SystemCtx().WithTimeout(kStopTimeout)));
  if (!ended.ok())
    Log(LogLevel::kWarning, "some mirrored requests did not end", {{"reason", ended.ToString()}});
  return absl::OkStatus();
}

Status ServeFirst(const ServerOptions& options, const ConfigDocument& config, Lineage& lineage) {
  ServingProcess process(options, config, lineage, nullptr);
  return process.Run();
}

Status ServeAfter(Lineage& lineage, const v1::GroupBootstrap& bootstrap) {
  UseProcessors(bootstrap.cpus());
  const v1::SuccessorBootstrap& told = bootstrap.successor();
  ConfigDocument config{.name = bootstrap.config_name(), .text = bootstrap.config()};
  TRY(config.snapshot, AppSchema().Parse(config.text, config.name));
  const ServerOptions options{.data = told.data(),
                              .http = told.http(),
                              .grpc = told.grpc(),
                              .no_auth = told.no_auth(),
                              .topology = told.topology_file()};
  ServingProcess process(options, config, lineage, &bootstrap);
  return process.Run();
}

void BlockSignals() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

ExitCode CodeOf(Status status) {
  if (absl::IsInvalidArgument(status)) status = WithExitCode(std::move(status), ExitCode::kUsage);
  if (absl::IsUnavailable(status)) status = WithExitCode(std::move(status), ExitCode::kFailed);
  return status.ok() ? ExitCode::kOk : Fail(status);
}

}  // namespace

ExitCode RunServer(const ServerOptions& options, const ConfigDocument& config) {
  ChooseLog(options.log_level, options.log_format);
  BlockSignals();
  Result<std::unique_ptr<Lineage>> lineage = Lineage::First();
  if (!lineage.ok()) return Fail(lineage.status());
  const ExitCode code = CodeOf(ServeFirst(options, config, **lineage));
  if ((*lineage)->handed_over()) (*lineage)->StandBy();
  return code;
}

ExitCode RunSuccessor() {
  BlockSignals();
  const Result<v1::GroupBootstrap> bootstrap = ReadBootstrap();
  if (!bootstrap.ok() || !bootstrap->has_successor())
    return Fail(absl::InvalidArgumentError("\"tessera up\" starts its successors itself"));
  Result<std::unique_ptr<Lineage>> lineage =
      Lineage::OfSuccessor(bootstrap->successor().has_program());
  if (!lineage.ok()) return Fail(lineage.status());
  const ExitCode code = CodeOf(ServeAfter(**lineage, *bootstrap));
  if (!(*lineage)->handed_over()) (*lineage)->SayEnd(code);
  return code;
}

}  // namespace tessera
