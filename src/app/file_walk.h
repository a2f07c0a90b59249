#pragma once
// Which files an ingest takes: those named, and those of known kinds below the folders named.

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "app/client.h"
#include "base/status.h"

namespace tessera {

struct WalkResult {
  std::vector<IngestFile> files;   ///< sorted by name below each path, in the order of the paths
  std::vector<std::string> links;  ///< the http and https URLs among the paths
  std::map<std::string, std::size_t> skipped;  ///< reason ("unknown kind .o", "hidden") -> how many
};

/// Walks `paths`. In folders, hidden files, version control, node_modules and the like, empty files
/// and unknown kinds are left out and counted; a file named itself is always taken. Names are
/// relative to the folder given, and made longer where two would be the same. NOT_FOUND names a
/// path that is not there.
Result<WalkResult> WalkPaths(const std::vector<std::string>& paths,
                             std::size_t files_max = 1'000'000);

}  // namespace tessera
