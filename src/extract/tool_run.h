#pragma once
// A system program (pdftotext, tesseract) run by a sandboxed worker; it inherits the sandbox.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "extract/fd.h"

namespace tessera {

/// The full path of a program of the system; empty where it is not installed.
std::string FindProgram(std::string_view name);

/// What programs are told in place of a file name to read the file that ToolRun gives them.
inline constexpr char kToolInput[] = "/proc/self/fd/3";

/// One running program: its output is read while it runs, so it never grows in memory. Destroying
/// it ends the program by closing its output.
class ToolRun {
 public:
  /// `arguments[0]` is a full path. The program reads `input_fd` as kToolInput; its output goes
  /// into `output_fd`, or to Read() where that is -1.
  ToolRun(std::vector<std::string> arguments, int input_fd, int output_fd = -1);
  ~ToolRun();
  ToolRun(const ToolRun&) = delete;

  bool started() const { return pid_ > 0; }
  /// The next bytes of its output; 0 at the end.
  std::size_t Read(char* buffer, std::size_t length);
  /// The next line without its end; false at the end. Lines above 64 KiB come in pieces.
  bool ReadLine(std::string& line);
  /// Everything (up to `max` bytes; the rest is read and dropped).
  std::string ReadAll(std::size_t max);
  /// Waits for its end: the exit code, or 128 + the signal that ended it; -1 if it never started.
  int Wait();
  /// The first 8 KiB of what it wrote to its standard error; call it after Wait().
  std::string Errors() const;

 private:
  int pid_ = -1;
  int exit_code_ = -1;
  Fd output_;
  Fd errors_;
  std::string buffer_;
  std::size_t start_ = 0;
};

}  // namespace tessera
