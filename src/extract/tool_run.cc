#include "extract/tool_run.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/str.h"

namespace tessera {

std::string FindProgram(std::string_view name) {
  for (const char* folder : {"/usr/bin/", "/usr/local/bin/", "/bin/"}) {
    std::string path = StrCat(folder, name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

ToolRun::ToolRun(std::vector<std::string> arguments, int input_fd, int output_fd) {
  errors_.Reset(::memfd_create("stderr", MFD_CLOEXEC));
  Fd write_end;
  if (output_fd < 0) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    output_.Reset(ends[0]);
    write_end.Reset(ends[1]);
    output_fd = ends[1];
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, errors_.get(), 2);
  posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
  posix_spawn_file_actions_adddup2(&actions, input_fd, 3);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 4);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/bin:/bin";
  std::string locale = "LC_ALL=C.UTF-8";
  std::string threads = "OMP_THREAD_LIMIT=1";  // this machine has other work
  std::vector<char*> environment = {path.data(), locale.data(), threads.data()};
  environment.push_back(nullptr);
  if (::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environment.data()) != 0) {
    pid_ = -1;
    output_.Reset();
  }
  posix_spawn_file_actions_destroy(&actions);
}

ToolRun::~ToolRun() {
  output_.Reset();
  Wait();
}

std::size_t ToolRun::Read(char* buffer, std::size_t length) {
  while (output_.valid()) {
    const ssize_t got = ::read(output_.get(), buffer, length);
    if (got < 0 && errno == EINTR) continue;
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  return 0;
}

bool ToolRun::ReadLine(std::string& line) {
  constexpr std::size_t kLineBytesMax = 64u << 10;
  while (true) {
    const std::string_view rest = std::string_view(buffer_).substr(start_);
    const std::size_t end = rest.find('\n');
    if (end != std::string_view::npos || rest.size() >= kLineBytesMax) {
      const std::size_t length = std::min(end, rest.size());
      line.assign(rest.substr(0, length));
      start_ += std::min(rest.size(), length + 1);
      return true;
    }
    char bytes[16384];
    const std::size_t got = Read(bytes, sizeof bytes);
    if (got == 0) {
      line.assign(rest);
      start_ = buffer_.size();
      return !line.empty();
    }
    buffer_.erase(0, start_);
    start_ = 0;
    buffer_.append(bytes, got);
  }
}

std::string ToolRun::ReadAll(std::size_t max) {
  std::string all;
  char bytes[16384];
  while (const std::size_t got = Read(bytes, sizeof bytes)) {
    all.append(bytes, std::min(got, max - std::min(max, all.size())));
  }
  return all;
}

int ToolRun::Wait() {
  if (pid_ <= 0) return exit_code_;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_code_;
}

std::string ToolRun::Errors() const {
  std::string text(8192, '\0');
  const ssize_t got = ::pread(errors_.get(), text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

}  // namespace tessera
