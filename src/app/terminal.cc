#include "app/terminal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/str.h"

namespace tessera {

using std::chrono::steady_clock;

bool IsTerminal(int fd) { return ::isatty(fd) == 1; }

TerminalSize SizeOfTerminal(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
    return {.columns = 100, .lines = 40};
  return {.columns = size.ws_col, .lines = size.ws_row};
}

int TerminalWidth() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 100;
  return std::clamp<int>(size.ws_col, 40, 120);
}

bool ShowsColour(int fd) {
  const char* none = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return IsTerminal(fd) && (none == nullptr || *none == '\0') && term != nullptr &&
         std::string_view(term) != "dumb";
}

std::string HumanBytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits{"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 || value >= 99.5 ? "%.0f %s" : "%.1f %s", value,
                kUnits[unit]);
  return text;
}

std::string HumanCount(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string HumanSeconds(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::max(0.0, std::round(seconds)));
  if (seconds < 10 && seconds > 0) {
    char text[16];
    std::snprintf(text, sizeof text, "%.1f s", seconds);
    return text;
  }
  if (whole < 60) return StrCat(whole, " s");
  if (whole < 3600) return StrCat(whole / 60, " min ", whole % 60, " s");
  return StrCat(whole / 3600, " h ", whole % 3600 / 60, " min");
}

std::string Printable(std::string_view text, std::size_t columns) {
  std::string out;
  std::size_t used = 0;
  bool space = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // C1 controls (U+0080 to U+009F) are the bytes C2 80 to C2 9F.
    const bool c1 =
        byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (byte <= ' ' || byte == 0x7F || c1) {
      if (c1) ++i;
      space = !out.empty();
      continue;
    }
    if ((byte & 0xC0) != 0x80) {
      used += space ? 2 : 1;
      if (used > columns) return out + "…";
    }
    if (space) out += ' ';
    space = false;
    out += static_cast<char>(byte);
  }
  return out;
}

ProgressBar::ProgressBar() : on_(IsTerminal(STDERR_FILENO)), start_(steady_clock::now()) {}

ProgressBar::~ProgressBar() { Clear(); }

void ProgressBar::Clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

void ProgressBar::Show(const IngestStatus& status) {
  const auto now = steady_clock::now();
  if (!on_ || (drawn_ && now - last_ < std::chrono::milliseconds(100))) return;
  last_ = now;
  drawn_ = true;
  std::fprintf(stderr, "\r%s\x1b[K", Line(status).c_str());
  std::fflush(stderr);
}

std::string ProgressBar::Line(const IngestStatus& status) const {
  const bool chunks_only = status.chunks_total > 0;
  const std::uint64_t total = chunks_only ? status.chunks_total : status.bytes_total;
  const std::uint64_t done = chunks_only ? status.chunks : status.bytes_done;
  const double share =
      total > 0 ? std::min(1.0, static_cast<double>(done) / static_cast<double>(total)) : 0.0;
  constexpr int kCells = 24;
  const int full = static_cast<int>(share * kCells);
  std::string bar;
  for (int i = 0; i < kCells; ++i) bar += i < full ? "█" : "░";
  const double elapsed = std::chrono::duration<double>(steady_clock::now() - start_).count();
  std::string line = StrCat(bar, " ", static_cast<int>(share * 100), " %  ");
  if (!chunks_only)
    StrAppend(&line, HumanCount(status.done), "/", HumanCount(status.files), " files  ");
  StrAppend(&line, HumanCount(status.chunks), " chunks");
  if (status.sent < status.files && status.done == 0)
    StrAppend(&line, "  sending ", HumanCount(status.sent));
  if (status.chunks_per_second > 0)
    StrAppend(&line, "  ", std::lround(status.chunks_per_second), "/s");
  if (share > 0.02 && share < 1)
    StrAppend(&line, "  ", HumanSeconds(elapsed / share * (1 - share)), " left");
  if (status.failed > 0) StrAppend(&line, "  ", status.failed, " failed");
  return Printable(line, static_cast<std::size_t>(TerminalWidth()) - 1);
}

}  // namespace tessera
