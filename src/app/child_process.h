#pragma once
// What every process has that the platform starts for itself.

#include <thread>

#include "control/child_processes.h"
#include "tessera/v1/group.pb.h"

namespace tessera {

/// The descriptors that a child is given; a successor has those from kHandoverFd on too.
inline constexpr int kBootstrapFd = 3;
inline constexpr int kLeashFd = 4;
inline constexpr int kListeningFd = 5;
inline constexpr int kLockFd = 6;
inline constexpr int kHandoverFd = 7;
inline constexpr int kHomeFd = 8;
inline constexpr int kProgramFd = 9;
inline constexpr int kFirstEdgeFd = 10;

/// While it lives, this process ends at once when nobody has the other end of `fd` any more, a pipe
/// or a socket: then nobody would route calls here, or nobody know of it.
class Leash {
 public:
  explicit Leash(int fd);
  ~Leash();
  Leash(const Leash&) = delete;

 private:
  void Watch();

  const int fd_;
  const OwnedFd done_;
  std::thread thread_;
};

/// What the first process, or its successor, says to this one; closed to programs that this
/// process starts.
Result<v1::GroupBootstrap> ReadBootstrap();

/// Processors that this process uses from now on; 0: all.
void UseProcessors(std::uint32_t count);

}  // namespace tessera
