#include "telemetry/log_output.h"

#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

namespace tessera {
namespace {
// A write of this many bytes to a pipe goes as a whole: lines of several processes do not mix.
constexpr std::size_t kWhole = PIPE_BUF;
}  // namespace

LogOutput::LogOutput(int fd, std::size_t bytes_max)
    : fd_(fd), terminal_(::isatty(fd) == 1), bytes_max_(bytes_max) {
  struct stat about = {};
  if (::fstat(fd, &about) != 0) return;
  if (S_ISSOCK(about.st_mode)) kind_ = Kind::kSocket;
  if (!S_ISFIFO(about.st_mode) && !S_ISCHR(about.st_mode)) return;
  const int again = ::open(StrCat("/proc/self/fd/", fd).c_str(),
                           O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_APPEND);
  if (again < 0) return;  // then it waits, as a file does
  fd_ = again;
  kind_ = Kind::kReopened;
}

LogOutput::~LogOutput() {
  if (kind_ == Kind::kReopened) ::close(fd_);
}

bool LogOutput::Add(std::string_view line) {
  if (bytes_ + line.size() > bytes_max_) return false;
  bytes_ += line.size();
  lines_.emplace_back(line);
  return true;
}

long LogOutput::WriteSome(std::string_view bytes) const {
  if (kind_ == Kind::kSocket)
    return ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return ::write(fd_, bytes.data(), bytes.size());
}

void LogOutput::Write() {
  while (!lines_.empty()) {
    // As many whole lines as fit into one write.
    std::string piece = lines_.front().substr(written_);
    std::size_t count = 1;
    while (written_ == 0 && count < lines_.size() && piece.size() + lines_[count].size() <= kWhole)
      piece += lines_[count++];
    const long put = WriteSome(piece);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    // A closed stderr loses logs, never the process.
    const std::size_t done = put < 0 ? piece.size() : static_cast<std::size_t>(put);
    bytes_ -= done;
    written_ += done;
    while (!lines_.empty() && written_ >= lines_.front().size()) {
      written_ -= lines_.front().size();
      lines_.pop_front();
    }
  }
}

}  // namespace tessera
