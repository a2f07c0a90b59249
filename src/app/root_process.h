#pragma once
// The first process of a platform: its own services, and the controller of all processes.

#include <memory>
#include <optional>
#include <string>

#include "app/config_file.h"
#include "app/run_folder.h"
#include "app/service_host.h"
#include "control/local_topology.h"
#include "flags/local_flags.h"
#include "remote/server.h"

namespace tessera {

/// Thread-safe once started. Destroying it ends the children, then its own services.
class RootProcess {
 public:
  /// Takes the data folder and brings up `wanted`, or the topology that was reached last. Returns
  /// when all of it serves. FAILED_PRECONDITION when another platform has the folder.
  static Result<std::unique_ptr<RootProcess>> Start(const ConfigDocument& config,
                                                    const std::string& data,
                                                    std::optional<TopologySpec> wanted);
  ~RootProcess();
  RootProcess(const RootProcess&) = delete;

  ServiceHost& host() { return *host_; }
  LocalTopology& topology() { return *topology_; }
  Flags& flags() { return *flags_; }
  /// What the other processes have recorded.
  Task<std::vector<v1::TakeSpansReply>> TakeSpans(Ctx ctx, v1::TakeSpansRequest request) {
    return topology_->TakeSpans(std::move(ctx), std::move(request));
  }

 private:
  RootProcess(const ConfigDocument& config, DataFolder folder, RunFolder run);
  Status StartAll(TopologyStore store, std::optional<TopologySpec> wanted);
  Status StartFlags();
  Status StartServing(PlatformProcess& self);

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

}  // namespace tessera
