#include "extract/input_file.h"

#include <algorithm>
#include <cerrno>

#include <sys/mman.h>
#include <sys/stat.h>

#include "extract/ascii.h"

namespace tessera {

InputFile::InputFile(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {
  struct stat status = {};
  if (fd_.valid() && ::fstat(fd_.get(), &status) == 0 && status.st_size > 0) {
    size_ = static_cast<std::uint64_t>(status.st_size);
  }
}

InputFile InputFile::OfBytes(std::string_view bytes, std::string name) {
  Fd fd(::memfd_create("document", MFD_CLOEXEC));
  while (fd.valid() && !bytes.empty()) {
    const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
    if (written <= 0) {
      fd.Reset();
      break;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return InputFile(std::move(fd), std::move(name));
}

std::string InputFile::extension() const {
  const std::size_t slash = name_.find_last_of('/');
  const std::size_t dot = name_.find_last_of('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) return {};
  return ToLower(std::string_view(name_).substr(dot + 1));
}

std::size_t InputFile::Read(std::uint64_t offset, char* buffer, std::size_t length) const {
  std::size_t done = 0;
  while (done < length) {
    const ssize_t got =
        ::pread(fd_.get(), buffer + done, length - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

std::string InputFile::Head(std::size_t length) const {
  std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(length, size_)), '\0');
  head.resize(Read(0, head.data(), head.size()));
  return head;
}

std::string InputFile::Tail(std::size_t length) const {
  std::string tail(static_cast<std::size_t>(std::min<std::uint64_t>(length, size_)), '\0');
  tail.resize(Read(size_ - tail.size(), tail.data(), tail.size()));
  return tail;
}

ExtractFailure InputFile::ReadAll(std::uint64_t max, std::string& out) const {
  if (size_ > max) {
    return ExtractError{
        ExtractCode::kTooLarge,
        StrCat("a file of this format is read whole and may have ", max >> 20,
               " MiB; this one has ", size_ >> 20, ": split it, or raise tree_bytes_max")};
  }
  out = Head(static_cast<std::size_t>(size_));
  return std::nullopt;
}

}  // namespace tessera
