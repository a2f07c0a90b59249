#pragma once
// Which platform a command talks to: --url, or the data folder of one that may or may not be
// running.

#include <memory>
#include <string>
#include <vector>

#include "app/client.h"
#include "app/command.h"

namespace tessera {

/// Values of the options that all client commands share.
struct PlatformTarget {
  std::string url;
  std::string key;
  std::string data;
  std::string config;
};

/// --url, --key, --data and --config, bound to `target`.
std::vector<Option> TargetOptions(PlatformTarget& target);
/// Those of them, all but --config, that commands have which need a server; behind `options`.
void AddServerOptions(PlatformTarget& target, std::vector<Option>& options);

/// $XDG_DATA_HOME/tessera, or ~/.local/share/tessera.
std::string DefaultDataFolder();

/// Where a running server of that data folder answers and the key it takes; NOT_FOUND when none
/// runs.
struct Endpoint {
  std::string url;
  std::string key;
};
Result<Endpoint> FindServer(const std::string& data);

/// The server that a target names. NOT_FOUND: none runs on its data folder.
Result<Endpoint> FindTarget(const PlatformTarget& target);

/// A client of what `target` names: the server at --url; else the server that runs on the data
/// folder; else the services themselves, started in this process.
Result<std::unique_ptr<Client>> OpenClient(const PlatformTarget& target, CancelToken cancel);

}  // namespace tessera
