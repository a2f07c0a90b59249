#include "control/process_memory.h"

#include <fstream>

#include <unistd.h>

#include "base/str.h"

namespace tessera {

std::uint64_t ResidentBytes(int pid) {
  std::ifstream file(StrCat("/proc/", pid, "/statm"));
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return file ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace tessera
