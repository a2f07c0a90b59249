#include "app/target.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "app/components.h"
#include "app/config_file.h"
#include "app/local_client.h"
#include "base/str.h"

namespace tessera {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The first line of a small file, "" when there is none.
std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Whether a process holds the lock of that data folder.
bool IsLocked(const std::string& data) {
  const int fd = ::open((data + "/lock").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  const bool locked = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return locked;
}

}  // namespace

std::vector<Option> TargetOptions(PlatformTarget& target) {
  return {
      {.name = "--url",
       .value = "URL",
       .doc = "The server to talk to, such as http://127.0.0.1:8080. Default: the one that runs on "
              "--data, else "
              "none: the work is done in this process.",
       .target = &target.url},
      {.name = "--key",
       .value = "KEY",
       .doc = "Its key; default: the environment variable TESSERA_KEY, or the owner key in the "
              "data folder.",
       .target = &target.key},
      {.name = "--data",
       .value = "DIR",
       .doc = "The data folder. Default: $XDG_DATA_HOME/tessera, or ~/.local/share/tessera.",
       .target = &target.data,
       .completion = Completion::kFolder},
      {.name = "--config",
       .value = "FILE",
       .doc = "Configuration, when the work is done in this process.",
       .target = &target.config,
       .completion = Completion::kFile},
  };
}

void AddServerOptions(PlatformTarget& target, std::vector<Option>& options) {
  for (Option& option : TargetOptions(target)) {
    if (option.name != "--config") options.push_back(std::move(option));
  }
}

std::string DefaultDataFolder() {
  const std::string data = Environment("XDG_DATA_HOME");
  if (data.starts_with("/")) return data + "/tessera";
  const std::string home = Environment("HOME");
  return (home.empty() ? "." : home) + "/.local/share/tessera";
}

Result<Endpoint> FindServer(const std::string& data) {
  if (!IsLocked(data)) return absl::NotFoundError("no server runs on " + data);
  Endpoint endpoint{FirstLine(data + "/endpoint"), FirstLine(data + "/owner.key")};
  if (endpoint.url.empty())
    return absl::FailedPreconditionError(
        StrCat("the data folder ", data, " is in use by process ", FirstLine(data + "/lock"),
               ", which serves no HTTP (yet); try again in a moment"));
  return endpoint;
}

Result<Endpoint> FindTarget(const PlatformTarget& target) {
  const std::string key = target.key.empty() ? Environment("TESSERA_KEY") : target.key;
  if (!target.url.empty()) {
    if (!target.data.empty())
      return WithExitCode(absl::InvalidArgumentError("give --url or --data, not both"),
                          ExitCode::kUsage);
    return Endpoint{target.url, key};
  }
  TRY(Endpoint server, FindServer(target.data.empty() ? DefaultDataFolder() : target.data));
  if (!key.empty()) server.key = key;
  return server;
}

Result<std::unique_ptr<Client>> OpenClient(const PlatformTarget& target, CancelToken cancel) {
  const Result<Endpoint> server = FindTarget(target);
  if (server.ok()) return ConnectTo(server->url, server->key, std::move(cancel));
  if (!absl::IsNotFound(server.status())) return server.status();
  TRY(ConfigSnapshot config, LoadConfig(target.config));
  const std::string data = target.data.empty() ? DefaultDataFolder() : target.data;
  return StartLocalClient(config, data, std::move(cancel));
}

}  // namespace tessera
