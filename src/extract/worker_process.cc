#include "extract/worker_process.h"

#include <cerrno>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "extract/ascii.h"

extern char** environ;

namespace tessera {
namespace {

constexpr int kStartMillis = 30'000;  // a loaded machine may be slow; a sound one needs some 10 ms

/// What a worker may know of the environment: where programs are, nothing secret.
std::vector<char*> WorkerEnvironment() {
  static constexpr std::string_view kKept[] = {
      "PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LLVM_PROFILE_FILE="};
  std::vector<char*> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    for (const std::string_view name : kKept) {
      if (StartsWith(*entry, name)) kept.push_back(*entry);
    }
  }
  // Every job is a fork: symbols that are looked up before it need not be looked up in each.
  static char bind_now[] = "LD_BIND_NOW=1";
  kept.push_back(bind_now);
  kept.push_back(nullptr);
  return kept;
}

Status AwaitHello(int fd) {
  pollfd watched = {fd, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&watched, 1, kStartMillis);
  } while (ready < 0 && errno == EINTR);
  char hello[64];
  const ssize_t got = ready == 1 ? ::recv(fd, hello, sizeof hello, 0) : -1;
  if (got > 0 && std::string_view(hello, static_cast<std::size_t>(got)) == kWorkerHello) return {};
  return absl::UnavailableError(ready == 0 ? "the extract worker did not start within 30 s"
                                           : "the extract worker did not start: its program ended "
                                             "or is of another version");
}

}  // namespace

WorkerProcess::WorkerProcess(std::vector<std::string> command) : command_(std::move(command)) {
  if (command_.empty()) command_ = {"/proc/self/exe", "extract-worker"};
}

WorkerProcess::~WorkerProcess() {
  const std::lock_guard lock(mutex_);
  Stop();
}

Status WorkerProcess::Send(const WorkerJob& job) {
  const std::lock_guard lock(mutex_);
  if (pid_ > 0 && SendWorkerJob(control_.get(), job).ok()) return {};
  TRY(Start());
  return SendWorkerJob(control_.get(), job);
}

Status WorkerProcess::Start() {
  Stop();
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::UnavailableError(StrCat("extract worker: socketpair: ", std::strerror(errno)));
  }
  Fd ours(ends[0]);
  Fd theirs(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t signals;
  ::sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  ::sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  posix_spawnattr_setpgroup(&attributes, 0);  // a terminal's Ctrl-C is for the platform to handle
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> arguments;
  for (std::string& word : command_) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<char*> environment = WorkerEnvironment();
  const int error = ::posix_spawn(&pid_, arguments[0], &actions, &attributes, arguments.data(),
                                  environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    pid_ = -1;
    return absl::UnavailableError(
        StrCat("cannot start the extract worker ", command_[0], ": ", std::strerror(error)));
  }
  control_ = std::move(ours);
  theirs.Reset();  // so that a worker that ends at once is noticed at once
  const Status hello = AwaitHello(control_.get());
  if (!hello.ok()) Stop();
  return hello;
}

void WorkerProcess::Stop() {
  if (pid_ <= 0) return;
  control_.Reset();  // the worker kills its jobs and ends
  for (int tries = 0; tries < 1000; ++tries) {
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = -1;
      return;
    }
    const timespec pause = {0, 5'000'000};
    ::nanosleep(&pause, nullptr);
  }
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace tessera
