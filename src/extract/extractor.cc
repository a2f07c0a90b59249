#include "extract/extractor.h"

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "extract/ascii.h"
#include "extract/frames.h"
#include "extract/input_file.h"
#include "extract/worker_process.h"

namespace tessera {
namespace {

constexpr int kStatusMillis = 10'000;  // from a job's last byte to the worker's word about its end

ExtractError CrashError(int status, const ExtractConfig& limits) {
  ExtractError too_much_memory = {ExtractCode::kTooLarge,
                                  StrCat("needs more than ", limits.memory_bytes_max.count >> 20,
                                         " MiB to be read: split it, or raise memory_bytes_max")};
  if (WIFEXITED(status) && WEXITSTATUS(status) == kExitMemory) return too_much_memory;
  if (WIFEXITED(status)) {
    return {ExtractCode::kInternal,
            StrCat("its reader could not start (code ", WEXITSTATUS(status), ")")};
  }
  switch (WTERMSIG(status)) {
    case SIGXCPU:
      return {ExtractCode::kTimeout, StrCat("took more than ", limits.cpu_max.count(),
                                            " s of processor time: split it, or raise cpu_max")};
    case SIGXFSZ:
      return {ExtractCode::kTooLarge, "unpacks to more than archive_bytes_max"};
    case SIGKILL:
      return {ExtractCode::kInternal,
              "its reader was killed, perhaps for want of memory: try again"};
    default:
      return {ExtractCode::kCorrupt, StrCat("its reader crashed on it (signal ", WTERMSIG(status),
                                            "): the file is damaged or hostile")};
  }
}

/// An extraction whose worker job (if there is one) runs already.
class WorkerExtraction final : public Extraction {
 public:
  WorkerExtraction(const ExtractConfig& limits, std::string name, CancelToken cancel)
      : limits_(limits), name_(std::move(name)), cancel_(std::move(cancel)) {}

  /// The file cannot be opened: says so as its only document.
  void Fail(ExtractError error) {
    EndWith(std::move(error));
    finished_ = true;
  }

  Status Begin(WorkerProcess& worker, Fd input) {
    int pipe_ends[2];
    int leash_ends[2];
    if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return SystemError("pipe");
    frames_.Reset(pipe_ends[0]);
    Fd output(pipe_ends[1]);
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, leash_ends) != 0) {
      return SystemError("socketpair");
    }
    leash_.Reset(leash_ends[0]);
    WorkerJob job;
    job.limits = limits_;
    job.name = name_;
    job.input = std::move(input);
    job.output = std::move(output);
    job.leash.Reset(leash_ends[1]);
    cancelled_.Reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!cancelled_.valid()) return SystemError("eventfd");
    TRY(worker.Send(job));
    const int wake = cancelled_.get();
    cancel_.OnCancel(on_cancel_, [wake](const Status&) { ::eventfd_write(wake, 1); });
    return {};
  }

  Result<bool> Next(ExtractEvent& event) override {
    while (true) {
      if (cancel_.cancelled()) {
        Stop();
        return cancel_.status();
      }
      if (!pending_.empty()) {
        event = std::move(pending_.front());
        pending_.pop_front();
        return true;
      }
      if (finished_) return false;
      Result<FrameReader::Found> found = reader_.Next(event);
      if (!found.ok()) {
        EndWith({ExtractCode::kCorrupt, "its reader was taken over or broke: the file is hostile"});
        continue;
      }
      switch (*found) {
        case FrameReader::Found::kEvent:
          if (InOrder(event)) return true;
          EndWith(
              {ExtractCode::kCorrupt, "its reader was taken over or broke: the file is hostile"});
          break;
        case FrameReader::Found::kHeartbeat:
          break;
        case FrameReader::Found::kDone:
          if (open_ || documents_ == 0) {
            EndWith({ExtractCode::kInternal, "its reader ended without a result"});
          }
          Stop();
          break;
        case FrameReader::Found::kMore:
          ReadMore();
          break;
      }
    }
  }

 private:
  static Status SystemError(std::string_view call) {
    return absl::UnavailableError(StrCat("extract: ", call, ": ", std::strerror(errno)));
  }

  /// Documents follow each other: start, blocks, end.
  bool InOrder(const ExtractEvent& event) {
    switch (event.kind) {
      case ExtractEvent::Kind::kStart:
        if (open_) return false;
        open_ = true;
        ++documents_;
        info_ = event.info;
        return true;
      case ExtractEvent::Kind::kBlock:
        return open_ && !event.block.text.empty();
      case ExtractEvent::Kind::kEnd:
        if (!open_) return false;
        open_ = false;
        return true;
    }
    return false;
  }

  void ReadMore() {
    pollfd watched[2] = {{frames_.get(), POLLIN, 0}, {cancelled_.get(), POLLIN, 0}};
    const auto timeout = std::chrono::duration_cast<std::chrono::milliseconds>(limits_.stall_max);
    const int ready = ::poll(watched, 2, static_cast<int>(timeout.count()));
    if (ready < 0 || watched[1].revents != 0) return;  // interrupted or cancelled: Next() looks
    if (ready == 0) {
      EndWith({ExtractCode::kTimeout, StrCat("made no progress for ", limits_.stall_max.count(),
                                             " s: the file is damaged, or raise stall_max")});
      return;
    }
    char bytes[64 << 10];
    const ssize_t got = ::read(frames_.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) return;
    if (got > 0) {
      reader_.Feed({bytes, static_cast<std::size_t>(got)});
      return;
    }
    EndWith(CrashError(JobStatus(), limits_));
  }

  /// The wait status of the job, which has closed its pipe without a last frame.
  int JobStatus() {
    pollfd watched = {leash_.get(), POLLIN, 0};
    int status = kExitMemory << 8;
    const bool told = ::poll(&watched, 1, kStatusMillis) == 1 &&
                      ::read(leash_.get(), &status, sizeof status) == sizeof status;
    return told ? status : SIGKILL;
  }

  /// Ends the open document (or one of the file's name) with `error`, and the extraction.
  void EndWith(ExtractError error) {
    ExtractEvent event;
    if (!open_) {
      info_ = {};
      info_.name = name_;
      event.kind = ExtractEvent::Kind::kStart;
      event.info = info_;
      pending_.push_back(event);
    }
    event.kind = ExtractEvent::Kind::kEnd;
    event.info = info_;
    event.error = std::move(error);
    pending_.push_back(std::move(event));
    open_ = false;
    Stop();
  }

  /// Closing the leash makes the worker kill the job if it still runs.
  void Stop() {
    finished_ = true;
    leash_.Reset();
    frames_.Reset();
  }

  const ExtractConfig limits_;
  const std::string name_;
  const CancelToken cancel_;
  Fd frames_;
  Fd leash_;
  Fd cancelled_;
  FrameReader reader_;
  std::deque<ExtractEvent> pending_;
  DocumentInfo info_;  // of the open document
  int documents_ = 0;
  bool open_ = false;
  bool finished_ = false;
  CancelCallback on_cancel_;  // last: must go before what it touches
};

struct OpenedFile {
  Fd fd;
  ExtractFailure failure;
};

OpenedFile OpenRegularFile(const std::string& path, const ExtractConfig& limits) {
  OpenedFile opened;
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  opened.fd.Reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status = {};
  if (!opened.fd.valid() || ::fstat(opened.fd.get(), &status) != 0) {
    opened.failure =
        ExtractError{ExtractCode::kUnreadable, StrCat("cannot be opened: ", std::strerror(errno))};
  } else if (!S_ISREG(status.st_mode)) {
    opened.failure = ExtractError{ExtractCode::kUnreadable, "is not a regular file"};
  } else if (static_cast<std::uint64_t>(status.st_size) > limits.file_bytes_max.count) {
    opened.failure = ExtractError{ExtractCode::kTooLarge,
                                  StrCat("has more than ", limits.file_bytes_max.count >> 20,
                                         " MiB: split it, or raise file_bytes_max")};
  }
  return opened;
}

}  // namespace

class Extractor::Workers {
 public:
  explicit Workers(ExtractConfig config) : config_(std::move(config)), process_(config_.worker) {
    std::error_code error;
    if (config_.temp_dir.empty()) config_.temp_dir = std::filesystem::temp_directory_path(error);
    if (error) config_.temp_dir = "/tmp";
  }
  const ExtractConfig& config() const { return config_; }
  WorkerProcess& process() { return process_; }

 private:
  ExtractConfig config_;
  WorkerProcess process_;
};

Extractor::Extractor(ExtractConfig config)
    : workers_(std::make_unique<Workers>(std::move(config))) {}
Extractor::~Extractor() = default;

Result<std::unique_ptr<Extraction>> Extractor::Open(const std::string& path, std::string name,
                                                    CancelToken cancel) {
  OpenedFile file = OpenRegularFile(path, workers_->config());
  auto extraction =
      std::make_unique<WorkerExtraction>(workers_->config(), std::move(name), std::move(cancel));
  if (file.failure) {
    extraction->Fail(*std::move(file.failure));
  } else {
    TRY(extraction->Begin(workers_->process(), std::move(file.fd)));
  }
  return extraction;
}

Result<std::unique_ptr<Extraction>> Extractor::OpenBytes(std::string_view bytes, std::string name,
                                                         CancelToken cancel) {
  Fd fd(::memfd_create("document", MFD_CLOEXEC));
  while (fd.valid() && !bytes.empty()) {
    const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return absl::ResourceExhaustedError("extract: no memory for the document");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (!fd.valid()) return absl::UnavailableError("extract: memfd_create failed");
  auto extraction =
      std::make_unique<WorkerExtraction>(workers_->config(), std::move(name), std::move(cancel));
  TRY(extraction->Begin(workers_->process(), std::move(fd)));
  return extraction;
}

}  // namespace tessera
