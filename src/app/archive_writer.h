#pragma once
// A .tar.gz of texts, made whole or not at all.

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tessera {

/// Writes PATH.part, only its owner can read it, and renames it to PATH at the end. Not
/// thread-safe.
class ArchiveWriter {
 public:
  /// ALREADY_EXISTS when `path` is there.
  static Result<std::unique_ptr<ArchiveWriter>> Make(std::string path);
  /// What was not finished is removed.
  ~ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;

  Status Add(const std::string& name, std::string_view text);
  Status Finish();

 private:
  struct State;
  explicit ArchiveWriter(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace tessera
