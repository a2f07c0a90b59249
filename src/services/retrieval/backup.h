#pragma once
// Copies of the store, checked by their sums.

#include <cstdint>
#include <string>

#include "base/status.h"
#include "store/data_folder.h"

namespace tessera {

struct BackupSize {
  std::uint64_t bytes = 0;
  std::uint64_t documents = 0;
};

/// Writes a consistent copy of `data` into `folder`, which must not exist or be empty: tessera.db
/// (compacted), the originals its documents refer to (hard links where the file system allows it;
/// originals never change), the feature flags and topologies of the platform, and SHA256SUMS, which
/// `sha256sum -c` understands. All is synced before the folder gets its name; a backup that was cut
/// off is called `folder`.partial. May run while others read and write.
Result<BackupSize> WriteBackup(const DataFolder& data, const std::string& folder);

/// DATA_LOSS names the first file that is missing or differs.
Status VerifyBackup(const std::string& folder);

/// Verifies `backup`, then copies it to `data`, which must not exist or be empty.
Result<BackupSize> RestoreBackup(const std::string& backup, const std::string& data);

}  // namespace tessera
