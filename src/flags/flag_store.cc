#include "flags/flag_store.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include "base/str.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChangesKnown = 1000;
constexpr std::size_t kOldLogsKept = 10;

Status SystemError(std::string_view what, const std::string& path) {
  return absl::UnavailableError(StrCat(what, " ", path, ": ", std::strerror(errno)));
}

Result<std::string> ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok())
    return absl::InvalidArgumentError("the flag has text that is not UTF-8");
  return json;
}

template <class Message>
bool FromJson(std::string_view json, Message* message) {
  return google::protobuf::util::JsonStringToMessage(
             google::protobuf::StringPiece(json.data(), json.size()), message)
      .ok();
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (file.bad()) return SystemError("cannot read", path);
  return std::move(text).str();
}

Status WriteAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return SystemError("cannot write", path);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return ::fsync(fd) == 0 ? absl::OkStatus() : SystemError("cannot write", path);
}

Status SyncFolder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  return synced ? absl::OkStatus() : SystemError("cannot write", folder);
}

std::string OldLog(const std::string& folder, std::uint64_t version) {
  std::string digits = std::to_string(version);
  if (digits.size() < 9) digits.insert(0, 9 - digits.size(), '0');
  return StrCat(folder, "/changes.", digits, ".jsonl");
}

void RemoveOldLogs(const std::string& folder) {
  std::vector<std::string> old;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("changes.") && name != "changes.jsonl") old.push_back(entry.path());
  }
  std::sort(old.rbegin(), old.rend());
  for (std::size_t i = kOldLogsKept; i < old.size(); ++i) fs::remove(old[i], error);
}

}  // namespace

FlagStore::FlagStore(FlagStore&& other) noexcept
    : folder_(std::move(other.folder_)),
      log_bytes_max_(other.log_bytes_max_),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      version_(other.version_),
      flags_(std::move(other.flags_)),
      changes_(std::move(other.changes_)) {}

FlagStore::~FlagStore() {
  if (fd_ >= 0) ::close(fd_);
}

Result<FlagStore> FlagStore::Open(const std::string& data, std::size_t log_bytes_max) {
  FlagStore store(data + "/flags", log_bytes_max);
  std::error_code error;
  fs::create_directories(store.folder_, error);
  if (error)
    return absl::UnavailableError(
        StrCat("cannot make the folder ", store.folder_, ": ", error.message()));
  TRY(store.Load());
  return store;
}

Status FlagStore::Load() {
  TRY(const std::string whole, ReadFile(folder_ + "/flags.json"));
  v1::SetFlagsRequest flags;
  if (!whole.empty() && !FromJson(whole, &flags))
    return absl::FailedPreconditionError(StrCat(folder_, "/flags.json cannot be read as flags"));
  version_ = flags.version();
  for (v1::Flag& flag : *flags.mutable_flags()) flags_[flag.key()] = std::move(flag);
  TRY(const std::string log, ReadFile(folder_ + "/changes.jsonl"));
  TRY(LoadLog(log));
  return OpenLog();
}

Status FlagStore::LoadLog(const std::string& text) {
  std::string_view left = text;
  for (int line = 1; left.find('\n') != std::string_view::npos; ++line) {
    const std::size_t end = left.find('\n');
    v1::FlagChange change;
    if (!FromJson(left.substr(0, end), &change))
      return absl::FailedPreconditionError(
          StrCat(folder_, "/changes.jsonl:", line, ": cannot be read as a change of a flag"));
    // The log of before a rotation that a crash cut: flags.json has it already.
    if (change.version() > version_) Apply(change);
    left.remove_prefix(end + 1);
  }
  size_ = text.size() - left.size();
  return absl::OkStatus();
}

Status FlagStore::OpenLog() {
  const std::string path = folder_ + "/changes.jsonl";
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd_ < 0 || ::ftruncate(fd_, static_cast<off_t>(size_)) != 0)
    return SystemError("cannot write", path);
  return SyncFolder(folder_);
}

void FlagStore::Apply(const v1::FlagChange& change) {
  version_ = change.version();
  if (change.has_after()) {
    flags_[change.key()] = change.after();
  } else {
    flags_.erase(change.key());
  }
  changes_.push_front(change);
  if (changes_.size() > kChangesKnown) changes_.pop_back();
}

Status FlagStore::Commit(v1::FlagChange& change) {
  if (fd_ < 0) return absl::UnavailableError(StrCat(folder_, " cannot be written since a fault"));
  if (size_ >= log_bytes_max_) TRY(Rotate());
  change.set_version(version_ + 1);
  if (change.has_after()) change.mutable_after()->set_version(change.version());
  TRY(std::string line, ToJson(change));
  line.push_back('\n');
  const Status written = WriteAll(fd_, line, folder_ + "/changes.jsonl");
  if (!written.ok()) {
    // What was written of the line must not be found by the next start.
    if (::ftruncate(fd_, static_cast<off_t>(size_)) != 0) ::close(std::exchange(fd_, -1));
    return written;
  }
  size_ += line.size();
  Apply(change);
  return absl::OkStatus();
}

Status FlagStore::Rotate() {
  v1::SetFlagsRequest all;
  all.set_version(version_);
  for (const auto& [key, flag] : flags_) *all.add_flags() = flag;
  TRY(const std::string json, ToJson(all));
  const std::string path = folder_ + "/flags.json";
  const std::string temporary = path + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError("cannot write", temporary);
  const Status written = WriteAll(fd, json, temporary);
  ::close(fd);
  if (!written.ok()) return written;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return SystemError("cannot write", path);
  TRY(SyncFolder(folder_));
  const std::string log = folder_ + "/changes.jsonl";
  if (::rename(log.c_str(), OldLog(folder_, version_).c_str()) != 0)
    return SystemError("cannot write", log);
  ::close(std::exchange(fd_, -1));
  size_ = 0;
  RemoveOldLogs(folder_);
  return OpenLog();
}

std::vector<v1::FlagChange> FlagStore::Changes(std::string_view key, std::size_t limit) const {
  std::vector<v1::FlagChange> found;
  for (const v1::FlagChange& change : changes_) {
    if (found.size() >= limit) break;
    if (key.empty() || change.key() == key) found.push_back(change);
  }
  return found;
}

}  // namespace tessera
