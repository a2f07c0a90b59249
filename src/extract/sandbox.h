#pragma once
// What a process that reads hostile files may still do: compute, read the system's programs and
// libraries, write into its own temporary folder, run the system's programs under the same rules.

#include <chrono>
#include <cstdint>
#include <string>

namespace tessera {

struct SandboxRules {
  std::uint64_t memory_max = 1ull << 30;  ///< bytes of address space beyond what is mapped already
  std::chrono::seconds cpu_max{900};
  std::uint64_t file_bytes_max = 4ull << 30;  ///< of a file that it writes
  std::string temp_dir;                       ///< the only place where it may write
  int input_fd = -1;                          ///< the only file elsewhere that it may open again
};

/// Confines this process and all its children for good: resource limits, no new privileges, file
/// access (Landlock, where the kernel has it), and a system call filter without network, signals to
/// others, namespaces, mounts or debugging. False when the kernel refused the limits or the filter:
/// the process must then not go on. Call it in a process with one thread.
bool EnterSandbox(const SandboxRules& rules);

/// From now on no program can be started either (for formats that need none).
bool ForbidPrograms();

}  // namespace tessera
