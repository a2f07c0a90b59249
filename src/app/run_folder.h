#pragma once
// Where the sockets of a platform's processes lie.

#include <string>

#include "base/status.h"

namespace tessera {

/// DATA/run, or a temporary folder where that path is too long for a Unix socket; only the
/// platform's user can enter it. Gone when this is.
class RunFolder {
 public:
  static Result<RunFolder> Make(const std::string& data);
  /// None yet; Take() makes it the folder of a predecessor, which leaves it by Release().
  static RunFolder None() { return RunFolder(std::string()); }
  void Take(std::string path) { path_ = std::move(path); }
  /// It is another process's, and stays.
  void Release() { path_.clear(); }
  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder();
  const std::string& path() const { return path_; }

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace tessera
