#pragma once
// What is written for people: a progress bar, numbers with units, tables. Goes to standard error
// where standard output carries the result.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/client.h"

namespace tessera {

bool IsTerminal(int fd);
/// Columns of the terminal, 80 to 120; 100 when it is none.
int TerminalWidth();
struct TerminalSize {
  std::size_t columns = 0, lines = 0;
};
/// Of the terminal at fd; 100 by 40 when it is none.
TerminalSize SizeOfTerminal(int fd);
/// Does the terminal at fd show colours? Honours NO_COLOR and TERM=dumb.
bool ShowsColour(int fd);

/// "1.4 MB", "17,204".
std::string HumanBytes(std::uint64_t bytes);
std::string HumanCount(std::uint64_t count);
/// "3 s", "2 min 10 s", "1 h 5 min".
std::string HumanSeconds(double seconds);

/// The text without control characters, so that a document cannot steer the terminal; at most
/// `columns` code points, "…" at the end when cut.
std::string Printable(std::string_view text, std::size_t columns = 10'000);

/// One line that is drawn over and over on standard error; nothing at all when that is no terminal.
class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  void Show(const IngestStatus& status);
  /// Removes the line.
  void Clear();

 private:
  std::string Line(const IngestStatus& status) const;

  const bool on_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace tessera
