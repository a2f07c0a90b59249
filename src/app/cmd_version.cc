#include <cstdio>

#include "app/commands.h"
#include "app/version.h"

namespace tessera {

Command VersionCommand() {
  Command command;
  command.name = "version";
  command.summary = "prints the version";
  command.run = [] {
    std::printf("tessera %s\n", kVersion);
    return ExitCode::kOk;
  };
  return command;
}

}  // namespace tessera
