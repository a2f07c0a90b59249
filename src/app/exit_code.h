#pragma once
// How the process ends, for scripts.

#include "base/status.h"

namespace tessera {

/// What the process answers with; documented in every --help.
enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,       ///< a file, or what was asked for, failed
  kUsage = 2,        ///< wrong command line
  kConfig = 3,       ///< the configuration has mistakes
  kRolledBack = 3,   ///< of "topology apply": the old topology holds
  kUnreachable = 4,  ///< no server there, or it refused the key
  kDataFolder = 5,   ///< the data folder is in use, or cannot be used
  kInterrupted = 130,
};

/// The code that an error ends the process with: what WithExitCode gave it, else by its kind.
ExitCode ExitCodeOf(const Status& status);
Status WithExitCode(Status status, ExitCode code);

/// Prints "tessera: MESSAGE" to standard error and returns the exit code.
ExitCode Fail(const Status& status);
/// The same for what a platform that was reached has answered: FAILED_PRECONDITION is then about
/// what was asked for, not about the data folder.
ExitCode FailCall(const Status& status);

}  // namespace tessera
