#pragma once
// The configuration file of a command line.

#include <string>

#include "config/schema.h"

namespace tessera {

/// A configuration as it was written, and what it says.
struct ConfigDocument {
  std::string name;  ///< of the file; "defaults" when there is none
  std::string text;
  ConfigSnapshot snapshot;
};
Result<ConfigDocument> LoadConfigDocument(const std::string& path);

/// Reads and checks a configuration file; "" gives the defaults. The error lists every mistake.
Result<ConfigSnapshot> LoadConfig(const std::string& path);

/// The text of a file, at most 1 MiB; "-" is standard input.
Result<std::string> ReadConfigText(const std::string& path);

}  // namespace tessera
