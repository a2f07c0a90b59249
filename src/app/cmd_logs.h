#pragma once
// `tessera logs`, for the list of commands.

#include "app/command.h"

namespace tessera {

Command LogsCommand();

}  // namespace tessera
