#include "app/child_process.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/exit_code.h"
#include "telemetry/log_pipeline.h"

namespace tessera {
namespace {

constexpr std::size_t kBootstrapMax = 16 << 20;
constexpr Duration kLastWords = std::chrono::milliseconds(200);

}  // namespace

Leash::Leash(int fd) : fd_(fd), done_(::eventfd(0, EFD_CLOEXEC)), thread_([this] { Watch(); }) {}

Leash::~Leash() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(done_.get(), &one, sizeof one);
  thread_.join();
}

// Only the end of the other side is waited for: what comes over a socket is for others.
void Leash::Watch() {
  pollfd waits[] = {{.fd = fd_, .events = 0, .revents = 0},
                    {.fd = done_.get(), .events = POLLIN, .revents = 0}};
  while (::poll(waits, 2, -1) <= 0) {
  }
  if (waits[1].revents != 0) return;
  LogPipeline::Process().Flush(kLastWords);
  ::_exit(static_cast<int>(ExitCode::kFailed));
}

// Processes of one machine begin at different processors.
void UseProcessors(std::uint32_t count) {
  cpu_set_t allowed;
  if (count == 0 || ::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  std::vector<int> all;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &allowed)) all.push_back(i);
  }
  cpu_set_t chosen;
  CPU_ZERO(&chosen);
  const std::size_t first = static_cast<std::size_t>(::getpid()) % all.size();
  for (std::size_t i = 0; i < std::min<std::size_t>(count, all.size()); ++i)
    CPU_SET(all[(first + i) % all.size()], &chosen);
  ::sched_setaffinity(0, sizeof chosen, &chosen);
}

Result<v1::GroupBootstrap> ReadBootstrap() {
  v1::GroupBootstrap bootstrap;
  const Result<std::string> bytes = ReadWhole(kBootstrapFd, kBootstrapMax);
  if (!bytes.ok() || !bootstrap.ParseFromString(*bytes) || bootstrap.data().empty())
    return absl::InvalidArgumentError(
        "\"tessera serve\" is started by \"tessera up\", for the groups of a topology; to start "
        "the platform, say \"tessera up\"");
  ::close(kBootstrapFd);
  for (const int fd : {kLeashFd, kListeningFd, kLockFd}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (!bootstrap.has_successor()) return bootstrap;
  const int sockets = static_cast<int>(bootstrap.successor().http_sockets()) +
                      (bootstrap.successor().grpc_socket() ? 1 : 0);
  for (int fd = kHandoverFd; fd < kFirstEdgeFd + sockets; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return bootstrap;
}

}  // namespace tessera
