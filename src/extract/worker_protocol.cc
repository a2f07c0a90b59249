#include "extract/worker_protocol.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace tessera {
namespace {

constexpr std::size_t kMessageBytesMax = 64u << 10;
constexpr int kDescriptors = 3;

void Put(std::uint64_t value, std::string& out) {
  char bytes[8];
  std::memcpy(bytes, &value, 8);
  out.append(bytes, 8);
}

void Put(std::string_view text, std::string& out) {
  Put(std::uint64_t{text.size()}, out);
  out.append(text);
}

bool Take(std::string_view& rest, std::uint64_t& value) {
  if (rest.size() < 8) return false;
  std::memcpy(&value, rest.data(), 8);
  rest.remove_prefix(8);
  return true;
}

bool Take(std::string_view& rest, std::string& text) {
  std::uint64_t length = 0;
  if (!Take(rest, length) || length > rest.size()) return false;
  text.assign(rest.substr(0, length));
  rest.remove_prefix(length);
  return true;
}

}  // namespace

std::string EncodeWorkerJob(const WorkerJob& job) {
  const ExtractConfig& limits = job.limits;
  std::string out;
  for (const std::uint64_t value :
       {limits.file_bytes_max.count, limits.text_bytes_max.count, limits.block_bytes_max.count,
        limits.tree_bytes_max.count, limits.archive_bytes_max.count,
        std::uint64_t{limits.archive_ratio_max}, std::uint64_t{limits.archive_entries_max},
        std::uint64_t{limits.archive_depth_max}, std::uint64_t{limits.ocr_pages_max},
        static_cast<std::uint64_t>(limits.stall_max.count()),
        static_cast<std::uint64_t>(limits.cpu_max.count()), limits.memory_bytes_max.count}) {
    Put(value, out);
  }
  Put(limits.ocr_languages, out);
  Put(limits.temp_dir, out);
  Put(job.name, out);
  return out;
}

Status DecodeWorkerJob(std::string_view bytes, WorkerJob& job) {
  ExtractConfig& limits = job.limits;
  std::uint64_t block = 0;
  std::uint64_t ratio = 0;
  std::uint64_t entries = 0;
  std::uint64_t depth = 0;
  std::uint64_t ocr_pages = 0;
  std::uint64_t stall = 0;
  std::uint64_t cpu = 0;
  const bool sound =
      Take(bytes, limits.file_bytes_max.count) && Take(bytes, limits.text_bytes_max.count) &&
      Take(bytes, block) && Take(bytes, limits.tree_bytes_max.count) &&
      Take(bytes, limits.archive_bytes_max.count) && Take(bytes, ratio) && Take(bytes, entries) &&
      Take(bytes, depth) && Take(bytes, ocr_pages) && Take(bytes, stall) && Take(bytes, cpu) &&
      Take(bytes, limits.memory_bytes_max.count) && Take(bytes, limits.ocr_languages) &&
      Take(bytes, limits.temp_dir) && Take(bytes, job.name) && bytes.empty();
  if (!sound) return absl::InvalidArgumentError("extract job is malformed");
  limits.block_bytes_max.count = block;
  limits.archive_ratio_max = static_cast<std::uint32_t>(ratio);
  limits.archive_entries_max = static_cast<std::uint32_t>(entries);
  limits.archive_depth_max = static_cast<std::uint32_t>(depth);
  limits.ocr_pages_max = static_cast<std::uint32_t>(ocr_pages);
  limits.stall_max = std::chrono::seconds(stall);
  limits.cpu_max = std::chrono::seconds(cpu);
  return {};
}

Status SendWorkerJob(int control_fd, const WorkerJob& job) {
  std::string bytes = EncodeWorkerJob(job);
  if (bytes.size() > kMessageBytesMax) return absl::InvalidArgumentError("file name is too long");
  const int descriptors[kDescriptors] = {job.input.get(), job.output.get(), job.leash.get()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptors)] = {};
  iovec vector = {bytes.data(), bytes.size()};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
  ssize_t sent = -1;
  do {
    sent = ::sendmsg(control_fd, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return absl::UnavailableError("the extract worker is gone");
  return {};
}

Result<WorkerJob> ReceiveWorkerJob(int control_fd) {
  std::string bytes(kMessageBytesMax, '\0');
  int descriptors[kDescriptors] = {-1, -1, -1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptors)] = {};
  iovec vector = {bytes.data(), bytes.size()};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = -1;
  do {
    got = ::recvmsg(control_fd, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return absl::NotFoundError("closed");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof descriptors)) {
    return absl::InvalidArgumentError("extract job without its descriptors");
  }
  std::memcpy(descriptors, CMSG_DATA(header), sizeof descriptors);
  WorkerJob job;
  job.input.Reset(descriptors[0]);
  job.output.Reset(descriptors[1]);
  job.leash.Reset(descriptors[2]);
  TRY(DecodeWorkerJob(std::string_view(bytes).substr(0, static_cast<std::size_t>(got)), job));
  return job;
}

}  // namespace tessera
