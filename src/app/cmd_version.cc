#include <cstdio>

#include "app/commands.h"

namespace tessera {

Command VersionCommand() {
  Command command;
  command.name = "version";
  command.summary = "prints the version";
  command.run = [] {
    std::puts("tessera " TESSERA_VERSION);
    return ExitCode::kOk;
  };
  return command;
}

}  // namespace tessera
