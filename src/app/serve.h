#pragma once
// `tessera serve`: a group of services in a child process of the platform.

#include "app/exit_code.h"

namespace tessera {

/// Serves until the platform's first process says so, or has ended. Descriptors 3 to 6 are what it
/// was given: a GroupBootstrap, the leash, a listening socket, the lock of the data folder.
ExitCode RunServe();

}  // namespace tessera
