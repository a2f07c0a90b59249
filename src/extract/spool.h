#pragma once
// Documents within documents: a member of an archive or an attachment, spooled to a file of its own
// and read like any other, within the limits that hold for all of them together.

#include <string>
#include <string_view>

#include "extract/readers.h"

namespace tessera {

/// A member's name made safe to show and to use as a path's tail: no "..", no drive, no control
/// characters, no empty parts; bounded. "unnamed" where nothing is left.
std::string CleanMemberName(std::string_view name);

/// Takes the bytes of one inner document, then reads it. Usage: Write…, then Read().
class Spool {
 public:
  /// `name`: already joined with its container's.
  Spool(std::string name, ReadJob& job);
  /// Counts the document; a failure when there are too many.
  ExtractFailure Open();
  /// Adds bytes; a failure when a limit of archives is passed (job.bomb is then set).
  ExtractFailure Write(std::string_view bytes);
  /// Reads what was written as a document (or archive) of its own.
  void Read();
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  ReadJob& job_;
  Fd fd_;
};

}  // namespace tessera
