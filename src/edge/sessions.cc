#include "edge/sessions.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/str.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr std::size_t kSessionsMax = 1000;
constexpr std::size_t kLoginsMax = 100;
constexpr std::string_view kLogin = "login";

std::string Hex(const Sessions::Digest& digest) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

bool ReadHex(std::string_view hex, Sessions::Digest& digest) {
  if (hex.size() != 2 * digest.size()) return false;
  if (hex.find_first_not_of("0123456789abcdef") != std::string_view::npos) return false;
  const std::string bytes = absl::HexStringToBytes(AbslView(hex));
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return true;
}

/// Whoever has it is the only one, of all processes, that changes the file.
class FileLock {
 public:
  explicit FileLock(const std::string& path)
      : fd_(path.empty() ? -1
                         : ::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    while (fd_ >= 0 && ::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FileLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileLock(const FileLock&) = delete;

 private:
  const int fd_;
};

template <class Ends>
void Bound(Ends& ends, std::size_t max) {
  const std::int64_t now = WallMillis();
  std::erase_if(ends, [now](const auto& one) { return one.second <= now; });
  if (ends.size() < max) return;
  ends.erase(std::min_element(ends.begin(), ends.end(),
                              [](auto& a, auto& b) { return a.second < b.second; }));
}

}  // namespace

Sessions::Sessions(std::string path, const Digest& owner, bool goes_on)
    : path_(std::move(path)), owner_(Hex(owner)) {
  Refresh();
  if (!goes_on && !logins_.empty()) Apply([this] { logins_.clear(); });
}

// The owner's digest, then a line a session: its digest and its end; and one a link, with a word
// before. What cannot be read is no session.
void Sessions::Load() const {
  until_ms_.clear();
  logins_.clear();
  std::ifstream file(path_);
  std::string line;
  if (!std::getline(file, line) || line != owner_) return;
  while (std::getline(file, line)) {
    std::vector<std::string> words = absl::StrSplit(line, ' ');
    const bool login = words.size() == 3 && words[0] == kLogin;
    if (login) words.erase(words.begin());
    Ends& ends = login ? logins_ : until_ms_;
    Digest digest;
    std::int64_t until = 0;
    if (words.size() == 2 && ReadHex(words[0], digest) && absl::SimpleAtoi(words[1], &until) &&
        until > WallMillis() && ends.size() < (login ? kLoginsMax : kSessionsMax))
      ends[digest] = until;
  }
}

// A file that has gone changes nothing.
void Sessions::Refresh() const {
  const std::optional<Stamp> stamp = Look();
  if (stamp && std::exchange(read_, *stamp) != *stamp) Load();
}

std::optional<Sessions::Stamp> Sessions::Look() const {
  struct stat now{};
  if (path_.empty() || ::stat(path_.c_str(), &now) != 0) return std::nullopt;
  return Stamp{.inode = now.st_ino,
               .size = now.st_size,
               .changed_ns = now.st_mtim.tv_sec * 1'000'000'000 + now.st_mtim.tv_nsec};
}

// Not synced: what a power cut may cost is a sign-in.
bool Sessions::Save() const {
  std::string text = owner_ + "\n";
  for (const auto& [digest, until] : until_ms_) StrAppend(&text, Hex(digest), " ", until, "\n");
  for (const auto& [digest, until] : logins_)
    StrAppend(&text, kLogin, " ", Hex(digest), " ", until, "\n");
  const std::string temporary = path_ + ".new";
  ::unlink(temporary.c_str());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return written && std::rename(temporary.c_str(), path_.c_str()) == 0;
}

// With mutex_ held, but for the constructor.
template <class Change>
void Sessions::Apply(Change change) {
  const FileLock only(path_);
  Refresh();
  change();
  if (path_.empty()) return;
  if (!Save()) {
    Log(LogLevel::kWarning, "cannot keep the sessions: browsers must sign in after a restart",
        {{"path", path_}, {"why", std::string(std::strerror(errno))}});
    return;
  }
  if (const std::optional<Stamp> stamp = Look()) read_ = *stamp;
}

bool Sessions::Has(const Digest& session) const {
  std::lock_guard lock(mutex_);
  Refresh();
  const auto found = until_ms_.find(session);
  return found != until_ms_.end() && found->second > WallMillis();
}

void Sessions::Add(const Digest& session, std::int64_t until_ms) {
  std::lock_guard lock(mutex_);
  Apply([&] {
    Bound(until_ms_, kSessionsMax);
    until_ms_[session] = until_ms;
  });
}

void Sessions::Remove(const Digest& session) {
  std::lock_guard lock(mutex_);
  Refresh();
  if (until_ms_.contains(session)) Apply([&] { until_ms_.erase(session); });
}

void Sessions::AddLogin(const Digest& link, std::int64_t until_ms) {
  std::lock_guard lock(mutex_);
  Apply([&] {
    Bound(logins_, kLoginsMax);
    logins_[link] = until_ms;
  });
}

bool Sessions::TakeLogin(const Digest& link) {
  std::lock_guard lock(mutex_);
  Refresh();
  if (!logins_.contains(link)) return false;
  bool taken = false;
  Apply([&] {
    const auto found = logins_.find(link);
    taken = found != logins_.end() && found->second > WallMillis();
    if (found != logins_.end()) logins_.erase(found);
  });
  return taken;
}

}  // namespace tessera
