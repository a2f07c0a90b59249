#pragma once

#include <cstdint>

namespace tessera {

/// Memory that a process of this machine has in use; 0 when there is no such process.
std::uint64_t ResidentBytes(int pid);

}  // namespace tessera
