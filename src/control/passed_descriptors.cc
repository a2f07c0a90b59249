#include "control/passed_descriptors.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kTextMax = 4096;
constexpr std::size_t kDescriptorsMax = 200;

Status SystemError(std::string_view what) {
  return absl::UnavailableError(StrCat(what, ": ", std::strerror(errno)));
}

using Control = std::array<char, CMSG_SPACE(kDescriptorsMax * sizeof(int))>;

}  // namespace

Result<std::pair<OwnedFd, OwnedFd>> MakeSocketPair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return SystemError("cannot make a pair of sockets");
  return std::pair(OwnedFd(ends[0]), OwnedFd(ends[1]));
}

Status SendDescriptors(int socket, const std::string& text, const std::vector<int>& descriptors) {
  if (text.empty() || text.size() > kTextMax || descriptors.size() > kDescriptorsMax)
    return absl::InvalidArgumentError("too much for one message between processes");
  iovec piece{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
  alignas(cmsghdr) Control control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const std::size_t bytes = descriptors.size() * sizeof(int);
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(header), descriptors.data(), bytes);
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno != EINTR) return SystemError("cannot pass descriptors to another process");
  }
  return absl::OkStatus();
}

Result<PassedDescriptors> ReceiveDescriptors(int socket, Duration limit) {
  pollfd wait{.fd = socket, .events = POLLIN, .revents = 0};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  const int ready = ::poll(&wait, 1, static_cast<int>(ms));
  if (ready == 0) return absl::DeadlineExceededError("another process sent nothing in time");
  PassedDescriptors passed;
  passed.text.resize(kTextMax);
  iovec piece{.iov_base = passed.text.data(), .iov_len = passed.text.size()};
  alignas(cmsghdr) Control control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = -1;
  while ((size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT)) < 0) {
    if (errno != EINTR) return SystemError("cannot receive descriptors from another process");
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      passed.descriptors.emplace_back(fd);
    }
  }
  if (size == 0) return absl::UnavailableError("the other process has gone");
  passed.text.resize(static_cast<std::size_t>(size));
  return passed;
}

}  // namespace tessera
