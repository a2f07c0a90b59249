#pragma once
// Small files that hold keys and certificates. Only for identity's own .cc files.

#include <string>
#include <string_view>

#include "base/status.h"

namespace tessera {

/// The whole file, at most 256 KB. NOT_FOUND when there is none.
Result<std::string> ReadSmallFile(const std::string& path);
/// The same, of a private key: refused when others than its owner may read it.
Result<std::string> ReadKeyFile(const std::string& path);
/// Writes the file with mode 0600, all of it or nothing, durably.
Status WriteKeyFile(const std::string& path, std::string_view text);

}  // namespace tessera
