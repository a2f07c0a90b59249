#include "app/server.h"

#include <cstdio>

namespace tessera {

ExitCode RunServer(const ServerOptions& options, const ConfigSnapshot& config) {
  std::fputs("tessera: the server is not wired yet\n", stderr);
  return ExitCode::kFailed;
}

}  // namespace tessera
