#include "store/disposable.h"

#include <filesystem>
#include <system_error>

#include "base/str.h"

namespace tessera {

void RemoveSqlite(const std::string& path) {
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(StrCat(path, suffix), ignored);
}

}  // namespace tessera
