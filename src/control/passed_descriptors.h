#pragma once
// Descriptors that go from one process to another over a Unix socket.

#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "control/child_processes.h"

namespace tessera {

/// Two ends that keep messages apart (SOCK_SEQPACKET), close-on-exec.
Result<std::pair<OwnedFd, OwnedFd>> MakeSocketPair();

/// One message of at most 4 KB and 200 descriptors, which stay the caller's. Does not wait:
/// UNAVAILABLE when the peer has gone or its queue is full.
Status SendDescriptors(int socket, const std::string& text, const std::vector<int>& descriptors);

struct PassedDescriptors {
  std::string text;
  std::vector<OwnedFd> descriptors;
};
/// The next message. Blocks; UNAVAILABLE when the peer has gone, DEADLINE_EXCEEDED after `limit`.
Result<PassedDescriptors> ReceiveDescriptors(int socket, Duration limit);

}  // namespace tessera
