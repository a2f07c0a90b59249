#pragma once
// Child processes: started with descriptors of their own, watched until they end.

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"

namespace tessera {

/// A descriptor that is closed when this goes.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept;
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct ChildSpec {
  std::string binary;             ///< empty: the program that runs now
  int program = -1;               ///< that program as a descriptor, where `binary` is empty
  std::vector<std::string> args;  ///< without the program's own name
  std::vector<int> descriptors;   ///< become 3, 4, … there; they stay the caller's
};

/// Thread-safe. Signals that are blocked here are not blocked in the children; each has a process
/// group of its own, so that a terminal's Ctrl-C reaches it through this process only.
class ChildProcesses {
 public:
  /// `on_end` runs on the watching thread, once for each child, after it was reaped; `how` says it
  /// in words: "was killed by signal 9".
  explicit ChildProcesses(std::function<void(int pid, std::string how)> on_end);
  /// Kills and reaps what still runs.
  ~ChildProcesses();
  ChildProcesses(const ChildProcesses&) = delete;

  /// The pid. UNAVAILABLE names the program that could not be started.
  Result<int> Start(const ChildSpec& spec);
  /// Watches a process that another one started; `handle` is its pidfd.
  void Adopt(int pid, OwnedFd handle);
  /// A second pidfd of a process that runs; nothing when it has ended.
  OwnedFd Handle(int pid);
  /// Watches it no more, and does not end it.
  void Forget(int pid);
  /// The same of all: another process watches them.
  void Release();
  /// Nothing happens to a process that has ended already.
  void Signal(int pid, int signal);

 private:
  void Watch();
  void Wake();

  const std::function<void(int, std::string)> on_end_;
  OwnedFd wake_;
  std::mutex mutex_;
  std::map<int, OwnedFd> running_;  // pid -> pidfd
  bool stopping_ = false;
  std::thread thread_;
};

/// A Unix socket that listens at `path`, for its owner only; what lay there is removed.
Result<OwnedFd> ListenOnUnixSocket(const std::string& path);
/// A file without a name that holds `bytes`, to be read from its start.
Result<OwnedFd> FileOf(std::string_view bytes);
/// All bytes of a descriptor, `max` at most.
Result<std::string> ReadWhole(int fd, std::size_t max);

}  // namespace tessera
