#pragma once
// The commands of the program, one file each (cmd_NAME.cc).

#include "app/command.h"

namespace tessera {

Command UpCommand();
Command AskCommand();
Command IngestCommand();
Command SearchCommand();
Command ModelsCommand();
Command CollectionsCommand();
Command BackupCommand();
Command RestoreCommand();
Command ConfigCommand();
Command TopologyCommand();
Command FlagsCommand();
Command TraceCommand();
Command SloCommand();
Command TopCommand();
Command ProfileCommand();
Command ReplayCommand();
Command ApiCommand();
Command LogsCommand();
Command DoctorCommand();
Command BundleCommand();
Command VersionCommand();

/// "tessera" with everything below it, `completion` and `help` included.
Command RootCommand();

/// Parses the command line and runs what it asks for.
ExitCode RunCli(const std::vector<std::string>& words);

}  // namespace tessera
