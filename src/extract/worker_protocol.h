#pragma once
// What the platform asks of its worker process: one message (with three file descriptors) a file.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "extract/extractor.h"
#include "extract/fd.h"

namespace tessera {

/// One file to extract. The descriptors go along: the file, the pipe for the frames, and the job's
/// leash: the worker kills the job when the other end closes, and writes the job's wait status (an
/// int) to it when the job has ended.
struct WorkerJob {
  ExtractConfig limits;
  std::string name;
  Fd input;
  Fd output;
  Fd leash;
};

inline constexpr std::string_view kWorkerHello = "tessera extract worker 1";
/// Exit code of a job that ran out of memory.
inline constexpr int kExitMemory = 77;

/// Sends the job over a SOCK_SEQPACKET socket. UNAVAILABLE: the worker is gone.
Status SendWorkerJob(int control_fd, const WorkerJob& job);
/// Receives one. Not found: the platform has closed the socket.
Result<WorkerJob> ReceiveWorkerJob(int control_fd);

/// The job's message without its descriptors, and back.
std::string EncodeWorkerJob(const WorkerJob& job);
Status DecodeWorkerJob(std::string_view bytes, WorkerJob& job);

}  // namespace tessera
