#include "app/run_folder.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include <sys/stat.h>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kPathMax = 90;  // a Unix socket's path has 107 bytes

}  // namespace

Result<RunFolder> RunFolder::Make(const std::string& data) {
  std::string path = data + "/run";
  std::error_code error;
  if (path.size() > kPathMax) {
    path = "/tmp/tessera-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr)
      return absl::UnavailableError("cannot make a folder in /tmp for sockets");
    return RunFolder(std::move(path));
  }
  std::filesystem::remove_all(path, error);
  if (::mkdir(path.c_str(), 0700) != 0)
    return absl::UnavailableError(StrCat("cannot make the folder ", path));
  return RunFolder(std::move(path));
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::exchange(other.path_, std::string())) {}

RunFolder::~RunFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace tessera
