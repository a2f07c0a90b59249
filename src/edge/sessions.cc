#include "edge/sessions.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>
#include <vector>

#include <fcntl.h>
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

}  // namespace

Sessions::Sessions(std::string path, const Digest& owner)
    : path_(std::move(path)), owner_(Hex(owner)) {
  if (!path_.empty()) Load();
}

// The owner's digest, then a line a session: its digest and its end. What cannot be read is no
// session.
void Sessions::Load() {
  std::ifstream file(path_);
  std::string line;
  if (!std::getline(file, line) || line != owner_) return;
  while (std::getline(file, line) && until_ms_.size() < kSessionsMax) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    Digest digest;
    std::int64_t until = 0;
    if (words.size() == 2 && ReadHex(words[0], digest) && absl::SimpleAtoi(words[1], &until) &&
        until > WallMillis())
      until_ms_[digest] = until;
  }
}

// Not synced: what a power cut may cost is a sign-in.
void Sessions::Save() const {
  if (path_.empty()) return;
  std::string text = owner_ + "\n";
  for (const auto& [digest, until] : until_ms_) StrAppend(&text, Hex(digest), " ", until, "\n");
  const std::string temporary = path_ + ".new";
  ::unlink(temporary.c_str());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool saved = fd >= 0;
  if (saved) saved = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) ::close(fd);
  if (saved) saved = std::rename(temporary.c_str(), path_.c_str()) == 0;
  if (!saved) {
    Log(LogLevel::kWarning, "cannot keep the sessions: browsers must sign in after a restart",
        {{"path", path_}, {"why", std::string(std::strerror(errno))}});
  }
}

bool Sessions::Has(const Digest& session) const {
  std::lock_guard lock(mutex_);
  const auto found = until_ms_.find(session);
  return found != until_ms_.end() && found->second > WallMillis();
}

void Sessions::Add(const Digest& session, std::int64_t until_ms) {
  std::lock_guard lock(mutex_);
  const std::int64_t now = WallMillis();
  std::erase_if(until_ms_, [now](const auto& one) { return one.second <= now; });
  if (until_ms_.size() >= kSessionsMax) {
    until_ms_.erase(std::min_element(until_ms_.begin(), until_ms_.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; }));
  }
  until_ms_[session] = until_ms;
  Save();
}

void Sessions::Remove(const Digest& session) {
  std::lock_guard lock(mutex_);
  if (until_ms_.erase(session) > 0) Save();
}

}  // namespace tessera
