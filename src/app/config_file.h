#pragma once
// The configuration file of a command line.

#include <string>

#include "config/schema.h"

namespace tessera {

/// Reads and checks a configuration file; "" gives the defaults. The error lists every mistake.
Result<ConfigSnapshot> LoadConfig(const std::string& path);

/// The text of a file, at most 1 MiB; "-" is standard input.
Result<std::string> ReadConfigText(const std::string& path);

}  // namespace tessera
