#pragma once
// Lines on their way to a descriptor that may be slow: never waits for it.

#include <cstdint>
#include <deque>
#include <string>

namespace tessera {

/// Not thread-safe.
class LogOutput {
 public:
  /// What is written to `fd` does not wait where that can be had: a pipe or terminal is opened anew
  /// without touching the mode that other processes share, a socket is asked for each write; a
  /// file never makes anybody wait.
  LogOutput(int fd, std::size_t bytes_max);
  ~LogOutput();
  LogOutput(const LogOutput&) = delete;

  /// False: there is no room for the line.
  bool Add(std::string_view line);
  /// Writes what the reader takes now.
  void Write();
  bool empty() const { return bytes_ == 0; }
  /// Lines that wait.
  std::size_t lines() const { return lines_.size(); }
  /// To be watched for room.
  int fd() const { return fd_; }
  bool is_terminal() const { return terminal_; }

 private:
  enum class Kind : std::uint8_t { kFile, kReopened, kSocket };
  long WriteSome(std::string_view bytes) const;

  int fd_;
  Kind kind_ = Kind::kFile;
  bool terminal_ = false;
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<std::string> lines_;
  std::size_t written_ = 0;  ///< of the first line
};

}  // namespace tessera
