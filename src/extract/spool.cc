#include "extract/spool.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>

#include "extract/ascii.h"

namespace tessera {
namespace {

constexpr std::uint64_t kRatioFreeBytes = 16u << 20;  // small archives may be packed however well

ExtractError Bomb(const ExtractConfig& limits) {
  return {ExtractCode::kZipBomb,
          StrCat("unpacks to more than ", limits.archive_ratio_max,
                 " times its size: unpack it yourself if it is sound, or raise "
                 "archive_ratio_max")};
}

}  // namespace

std::string CleanMemberName(std::string_view name) {
  std::string clean;
  while (!name.empty()) {
    const std::size_t end = name.find_first_of("/\\");
    std::string part = CleanText(name.substr(0, end), TextShape::kFlow);
    name.remove_prefix(end == std::string_view::npos ? name.size() : end + 1);
    const bool drive = part.size() == 2 && part[1] == ':';
    if (part.empty() || part == "." || part == ".." || drive) continue;
    part.resize(Utf8Cut(part, 255));
    if (clean.size() + part.size() > 1000) break;
    StrAppend(&clean, clean.empty() ? "" : "/", part);
  }
  return clean.empty() ? "unnamed" : clean;
}

Spool::Spool(std::string name, ReadJob& job) : name_(std::move(name)), job_(job) {}

ExtractFailure Spool::Open() {
  if (++job_.entries > job_.limits.archive_entries_max) {
    job_.bomb = true;
    return ExtractError{ExtractCode::kTooLarge,
                        StrCat("holds more than ", job_.limits.archive_entries_max,
                               " files: split it, or raise archive_entries_max")};
  }
  fd_.Reset(::open(job_.temp_dir.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd_.valid()) {  // a file system without unnamed files
    const std::string path = StrCat(job_.temp_dir, "/member");
    fd_.Reset(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    ::unlink(path.c_str());
  }
  if (fd_.valid()) return std::nullopt;
  return ExtractError{ExtractCode::kInternal,
                      StrCat("cannot be unpacked: no temporary file (", std::strerror(errno), ")")};
}

ExtractFailure Spool::Write(std::string_view bytes) {
  job_.spooled_bytes += bytes.size();
  if (job_.spooled_bytes > job_.limits.archive_bytes_max.count) {
    job_.bomb = true;
    return ExtractError{ExtractCode::kTooLarge,
                        StrCat("unpacks to more than ", job_.limits.archive_bytes_max.count >> 20,
                               " MiB: split it, or raise archive_bytes_max")};
  }
  if (job_.spooled_bytes > kRatioFreeBytes &&
      job_.spooled_bytes / job_.limits.archive_ratio_max > job_.file_bytes) {
    job_.bomb = true;
    return Bomb(job_.limits);
  }
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      return ExtractError{ExtractCode::kInternal,
                          StrCat("cannot be unpacked: ", std::strerror(errno),
                                 "; free some space in the temporary folder and retry")};
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return std::nullopt;
}

void Spool::Read() {
  const InputFile file(std::move(fd_), name_);
  ++job_.depth;
  ReadFile(file, job_);
  --job_.depth;
}

}  // namespace tessera
