#include "control/child_processes.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

extern char** environ;

namespace tessera {
namespace {

constexpr int kFirstDescriptor = 3;
constexpr int kAboveAll = 400;  // where descriptors wait until those below are placed

Status SystemError(std::string_view what, int error) {
  return absl::UnavailableError(StrCat(what, ": ", std::strerror(error)));
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) return StrCat("was killed by signal ", WTERMSIG(status));
  return StrCat("ended with exit code ", WEXITSTATUS(status));
}

// Also where the pid is somebody else's by now: a pidfd names one process for ever.
void SignalHandle(const OwnedFd& handle, int signal) {
  ::syscall(SYS_pidfd_send_signal, handle.get(), signal, nullptr, 0);
}

class SpawnSettings {
 public:
  SpawnSettings() {
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawn_file_actions_init(&actions_);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t defaults;
    ::sigemptyset(&defaults);
    ::sigaddset(&defaults, SIGPIPE);
    ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;

  void Place(int fd, int at) { ::posix_spawn_file_actions_adddup2(&actions_, fd, at); }
  /// What is not meant for the child it does not get, whoever made it.
  void CloseFrom(int fd) { ::posix_spawn_file_actions_addclosefrom_np(&actions_, fd); }
  const posix_spawnattr_t* attributes() const { return &attributes_; }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }

 private:
  posix_spawnattr_t attributes_;
  posix_spawn_file_actions_t actions_;
};

}  // namespace

OwnedFd::OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
OwnedFd::~OwnedFd() {
  if (fd_ >= 0) ::close(fd_);
}

ChildProcesses::ChildProcesses(std::function<void(int pid, std::string how)> on_end)
    : on_end_(std::move(on_end)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Watch(); }) {}

ChildProcesses::~ChildProcesses() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& [pid, handle] : running_) SignalHandle(handle, SIGKILL);
  }
  Wake();
  thread_.join();
}

void ChildProcesses::Wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

Result<int> ChildProcesses::Start(const ChildSpec& spec) {
  std::string binary = spec.binary.empty() ? "/proc/self/exe" : spec.binary;
  std::vector<char*> arguments;
  std::string name = "tessera";
  arguments.push_back(name.data());
  std::vector<std::string> args = spec.args;
  for (std::string& argument : args) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  SpawnSettings settings;
  std::vector<OwnedFd> copies;
  int at = kFirstDescriptor;
  for (const int fd : spec.descriptors) {
    copies.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, kAboveAll));
    if (!copies.back()) return SystemError("cannot pass a descriptor to a child process", errno);
    settings.Place(copies.back().get(), at++);
  }
  if (spec.binary.empty() && spec.program >= 0) {
    copies.emplace_back(::fcntl(spec.program, F_DUPFD_CLOEXEC, kAboveAll));
    if (!copies.back()) return SystemError("cannot pass a descriptor to a child process", errno);
    settings.Place(copies.back().get(), at);
    binary = StrCat("/proc/self/fd/", at++);
  }
  settings.CloseFrom(at);
  std::lock_guard lock(mutex_);
  if (stopping_) return absl::CancelledError("the platform stops");
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, binary.c_str(), settings.actions(), settings.attributes(),
                                  arguments.data(), environ);
  if (error != 0) return SystemError(StrCat("cannot start ", binary), error);
  OwnedFd watched(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!watched) {
    const int why = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return SystemError("cannot watch a child process", why);
  }
  running_[pid] = std::move(watched);
  Wake();
  return pid;
}

void ChildProcesses::Adopt(int pid, OwnedFd handle) {
  std::lock_guard lock(mutex_);
  running_[pid] = std::move(handle);
  Wake();
}

OwnedFd ChildProcesses::Handle(int pid) {
  std::lock_guard lock(mutex_);
  const auto found = running_.find(pid);
  if (found == running_.end()) return OwnedFd();
  return OwnedFd(::fcntl(found->second.get(), F_DUPFD_CLOEXEC, 0));
}

void ChildProcesses::Forget(int pid) {
  std::lock_guard lock(mutex_);
  running_.erase(pid);
  Wake();
}

void ChildProcesses::Release() {
  std::lock_guard lock(mutex_);
  running_.clear();
  Wake();
}

void ChildProcesses::Signal(int pid, int signal) {
  std::lock_guard lock(mutex_);
  const auto found = running_.find(pid);
  if (found != running_.end()) SignalHandle(found->second, signal);
}

void ChildProcesses::Watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_ || !running_.empty()) {
    std::vector<pollfd> waits = {{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
    std::vector<int> pids = {0};
    std::vector<OwnedFd> watched;  // stay open while they are waited for, whoever is forgotten
    for (const auto& [pid, fd] : running_) {
      watched.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
      waits.push_back({.fd = watched.back().get(), .events = POLLIN, .revents = 0});
      pids.push_back(pid);
    }
    lock.unlock();
    ::poll(waits.data(), waits.size(), -1);
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t read = ::read(wake_.get(), &count, sizeof count);
    lock.lock();
    for (std::size_t i = 1; i < waits.size(); ++i) {
      int status = 0;
      if (waits[i].revents == 0 || !running_.contains(pids[i])) continue;
      const pid_t reaped = ::waitpid(pids[i], &status, WNOHANG);
      // One that was adopted is another's to reap.
      const bool adopted = reaped < 0 && errno == ECHILD;
      if (reaped != pids[i] && !adopted) continue;
      running_.erase(pids[i]);
      lock.unlock();
      on_end_(pids[i], adopted ? "ended" : HowItEnded(status));
      lock.lock();
    }
  }
}

Result<OwnedFd> ListenOnUnixSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return absl::InvalidArgumentError(StrCat("too long for a Unix socket: ", path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  ::unlink(path.c_str());
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || ::fchmod(fd.get(), 0600) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0) {
    return SystemError(StrCat("cannot listen on ", path), errno);
  }
  return fd;
}

Result<OwnedFd> FileOf(std::string_view bytes) {
  OwnedFd fd(::memfd_create("tessera", MFD_CLOEXEC));
  if (!fd) return SystemError("cannot make a file in memory", errno);
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
    if (written <= 0) return SystemError("cannot write to a file in memory", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

Result<std::string> ReadWhole(int fd, std::size_t max) {
  std::string all;
  char piece[4096];
  while (all.size() <= max) {
    const ssize_t size = ::read(fd, piece, sizeof piece);
    if (size == 0) return all;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return SystemError("cannot read a descriptor", errno);
    all.append(piece, static_cast<std::size_t>(size));
  }
  return absl::ResourceExhaustedError(StrCat("more than ", max, " bytes"));
}

}  // namespace tessera
