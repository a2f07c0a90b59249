// The worker process: waits for jobs and forks a confined child for each. It never reads a file's
// content itself, so it stays sound whatever the files are.

#include "extract/worker.h"

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "extract/frames.h"
#include "extract/readers.h"
#include "extract/sandbox.h"
#include "extract/worker_protocol.h"

namespace tessera {
namespace {

constexpr int kInputFd = 3;  // of a job's process
constexpr int kOutputFd = 4;
constexpr int kExitSandbox = 78;

/// Frames into the pipe, some tens of KiB at a time.
class PipeSink final : public EventSink {
 public:
  void Accept(const ExtractEvent& event) override {
    AppendFrame(event, buffer_);
    // A document's start and end are worth telling at once: they are what progress shows.
    if (buffer_.size() >= kBufferBytes || event.kind == ExtractEvent::Kind::kEnd) Flush();
  }
  void Beat() override {
    AppendHeartbeat(buffer_);
    Flush();
  }
  void Done() {
    AppendDone(buffer_);
    Flush();
  }

 private:
  static constexpr std::size_t kBufferBytes = 32u << 10;
  void Flush() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
      const ssize_t written = ::write(kOutputFd, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) ::_exit(0);  // nobody reads any more
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    buffer_.clear();
  }
  std::string buffer_;
};

/// Leaves only the job's two descriptors (as 3 and 4), /dev/null and standard error open.
bool KeepJobDescriptors(WorkerJob& job) {
  const int input = ::fcntl(job.input.get(), F_DUPFD, 100);
  const int output = ::fcntl(job.output.get(), F_DUPFD, 100);
  const int null = ::open("/dev/null", O_RDWR);
  if (input < 0 || output < 0 || null < 0) return false;
  job.input.Release();
  job.output.Release();
  job.leash.Release();
  return ::dup2(null, 0) == 0 && ::dup2(null, 1) == 1 && ::dup2(input, kInputFd) == kInputFd &&
         ::dup2(output, kOutputFd) == kOutputFd && ::close_range(5, ~0U, 0) == 0 &&
         ::fcntl(kInputFd, F_SETFD, FD_CLOEXEC) == 0 &&
         ::fcntl(kOutputFd, F_SETFD, FD_CLOEXEC) == 0;
}

/// The life of a job's process.
[[noreturn]] void RunJob(WorkerJob job, const std::string& temp_dir, FileReader reader) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::set_new_handler([] { ::_exit(kExitMemory); });
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  SandboxRules rules;
  rules.memory_max = job.limits.memory_bytes_max.count;
  rules.cpu_max = job.limits.cpu_max;
  rules.file_bytes_max = job.limits.archive_bytes_max.count;
  rules.temp_dir = temp_dir;
  rules.input_fd = kInputFd;
  if (!KeepJobDescriptors(job) || !EnterSandbox(rules)) ::_exit(kExitSandbox);
  PipeSink sink;
  Emitter emitter(job.limits, sink);
  const InputFile file(Fd(kInputFd), job.name);
  ReadJob read{job.limits, emitter};
  read.temp_dir = temp_dir;
  read.file_bytes = file.size();
  reader(file, read);
  sink.Done();
  ::_exit(0);
}

struct RunningJob {
  pid_t pid = -1;
  Fd leash;
  std::string temp_dir;
};

void RemoveFolder(const std::string& folder) {
  if (folder.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

std::string MakeFolder(const std::string& parent) {
  std::string folder = parent + "/tessera-extract-XXXXXX";
  return ::mkdtemp(folder.data()) != nullptr ? folder : std::string();
}

/// The loop around the jobs.
class Worker {
 public:
  Worker(int control_fd, int signal_fd, FileReader reader)
      : control_fd_(control_fd), signal_fd_(signal_fd), reader_(reader) {}

  void Run() {
    while (true) {
      std::vector<pollfd> watched = {{control_fd_, POLLIN, 0}, {signal_fd_, POLLIN, 0}};
      for (const RunningJob& job : jobs_) watched.push_back({job.leash.get(), POLLIN, 0});
      if (::poll(watched.data(), watched.size(), -1) < 0) continue;  // interrupted
      if (watched[1].revents != 0) ReapJobs();
      for (std::size_t i = 2; i < watched.size(); ++i) {
        if (watched[i].revents != 0) KillJob(watched[i].fd);
      }
      if (watched[0].revents != 0 && !TakeJob()) break;
    }
    for (const RunningJob& job : jobs_) ::kill(-job.pid, SIGKILL);
    for (const RunningJob& job : jobs_) {
      ::waitpid(job.pid, nullptr, 0);
      RemoveFolder(job.temp_dir);
    }
  }

 private:
  /// False when the platform has gone.
  bool TakeJob() {
    Result<WorkerJob> job = ReceiveWorkerJob(control_fd_);
    if (!job.ok()) return job.status().code() == absl::StatusCode::kInvalidArgument;
    RunningJob running;
    running.temp_dir = MakeFolder(job->limits.temp_dir);
    running.pid = ::fork();
    if (running.pid == 0) {
      ::setpgid(0, 0);
      RunJob(*std::move(job), running.temp_dir, reader_);
    }
    if (running.pid < 0) {  // the leash closes: the platform sees a job that ended without a word
      RemoveFolder(running.temp_dir);
      return true;
    }
    ::setpgid(running.pid, running.pid);  // on both sides: whoever comes first
    running.leash = std::move(job->leash);
    jobs_.push_back(std::move(running));
    return true;
  }

  /// The platform let go of the job's leash.
  void KillJob(int leash) {
    for (RunningJob& job : jobs_) {
      if (job.leash.get() != leash) continue;
      ::kill(-job.pid, SIGKILL);
      job.leash.Reset();  // it is reaped when the signal comes
      return;
    }
  }

  void ReapJobs() {
    signalfd_siginfo info;
    while (::read(signal_fd_, &info, sizeof info) > 0) {
    }
    siginfo_t ended = {};
    while (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid > 0) {
      const pid_t pid = std::exchange(ended.si_pid, 0);
      ::kill(-pid, SIGKILL);  // programs it started; not reaped yet, so the number is still its own
      int status = 0;
      ::waitpid(pid, &status, 0);
      for (std::size_t i = 0; i < jobs_.size(); ++i) {
        if (jobs_[i].pid != pid) continue;
        (void)!::send(jobs_[i].leash.get(), &status, sizeof status, MSG_NOSIGNAL);
        RemoveFolder(jobs_[i].temp_dir);
        jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      }
    }
  }

  int control_fd_;
  int signal_fd_;
  FileReader reader_;
  std::vector<RunningJob> jobs_;
};

}  // namespace

int RunExtractWorker(int control_fd) { return ServeExtractJobs(control_fd, ReadFile); }

int ServeExtractJobs(int control_fd, FileReader reader) {
  ::signal(SIGPIPE, SIG_IGN);
  std::setlocale(LC_ALL, "C.UTF-8");  // libarchive turns names into UTF-8 by the locale
  sigset_t child_signal;
  ::sigemptyset(&child_signal);
  ::sigaddset(&child_signal, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child_signal, nullptr);
  const Fd signal_fd(::signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signal_fd.valid()) return 1;
  IsUtf8("simdjson chooses its code for this processor at the first call: before the forks");
  if (::send(control_fd, kWorkerHello.data(), kWorkerHello.size(), MSG_NOSIGNAL) < 0) return 1;
  Worker(control_fd, signal_fd.get(), reader).Run();
  return 0;
}

}  // namespace tessera
