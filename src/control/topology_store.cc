#include "control/topology_store.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "base/str.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKept = 20;

Status SystemError(std::string_view what, const std::string& path) {
  return absl::UnavailableError(StrCat(what, " ", path, ": ", std::strerror(errno)));
}

// The numbers of the files, the highest first.
std::vector<std::uint64_t> Numbers(const std::string& folder) {
  std::vector<std::uint64_t> numbers;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::uint64_t number = 0;
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() == ".yaml" && absl::SimpleAtoi(stem, &number))
      numbers.push_back(number);
  }
  std::sort(numbers.rbegin(), numbers.rend());
  return numbers;
}

std::string FileOfRevision(const std::string& folder, std::uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return StrCat(folder, "/", digits, ".yaml");
}

Status WriteDurably(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError("cannot write", path);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(fd) == 0;
  Status status = written ? absl::OkStatus() : SystemError("cannot write", path);
  ::close(fd);
  return status;
}

}  // namespace

Result<TopologyStore> TopologyStore::Open(const std::string& data) {
  std::string folder = data + "/topology";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return absl::UnavailableError(StrCat("cannot make the folder ", folder, ": ", error.message()));
  return TopologyStore(std::move(folder));
}

Result<std::optional<TopologyStore::Revision>> TopologyStore::Nth(std::size_t from_last) const {
  const std::vector<std::uint64_t> numbers = Numbers(folder_);
  if (numbers.size() <= from_last) return std::optional<Revision>();
  const std::string path = FileOfRevision(folder_, numbers[from_last]);
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return absl::UnavailableError(StrCat("cannot read ", path));
  TRY(TopologySpec spec, ReadTopology(text.str(), path));
  return std::optional<Revision>(Revision{.number = numbers[from_last], .spec = std::move(spec)});
}

Result<std::uint64_t> TopologyStore::Commit(const TopologySpec& spec) {
  const auto current = Current();
  if (current.ok() && *current && WriteTopology((*current)->spec) == WriteTopology(spec))
    return (*current)->number;
  const std::vector<std::uint64_t> numbers = Numbers(folder_);
  const std::uint64_t number = numbers.empty() ? 1 : numbers.front() + 1;
  const std::string path = FileOfRevision(folder_, number);
  const std::string temporary = path + ".new";
  TRY(WriteDurably(temporary, WriteTopology(spec)));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return SystemError("cannot write", path);
  const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && ::fsync(folder) == 0;
  if (folder >= 0) ::close(folder);
  if (!synced) return SystemError("cannot write", folder_);
  for (std::size_t i = kKept; i < numbers.size(); ++i) {
    std::error_code ignored;
    fs::remove(FileOfRevision(folder_, numbers[i]), ignored);
  }
  return number;
}

}  // namespace tessera
