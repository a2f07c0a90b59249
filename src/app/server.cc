#include "app/server.h"

#include <cstdio>

namespace tessera {

void ServerConfig::Describe(Fields<ServerConfig>& f) {
  f.Optional("listen", &ServerConfig::listen, "HOST:PORT to listen on; --http goes before it.", 1,
             200);
  f.Optional("drain", &ServerConfig::drain,
             "How long requests that run may take to end after SIGTERM.", std::chrono::seconds(0),
             std::chrono::seconds(600));
}

ExitCode RunServer(const ServerOptions& options, const ConfigSnapshot& config) {
  std::fputs("tessera: the server is not wired yet\n", stderr);
  return ExitCode::kFailed;
}

}  // namespace tessera
