#pragma once
// multipart/form-data bodies (RFC 7578), sent piece by piece so that a file of any size needs
// little memory.

#include <cstdint>
#include <string>
#include <vector>

#include "app/client.h"
#include "base/stream.h"

namespace tessera {

/// A form of files (field "files") and plain fields.
class MultipartForm {
 public:
  MultipartForm();
  void AddField(std::string_view name, std::string_view value);
  void AddFile(const IngestFile& file);

  /// "multipart/form-data; boundary=…".
  std::string content_type() const;
  /// Of the whole body, if the files keep their size.
  std::uint64_t size() const;
  /// The body; a file that cannot be read, or has changed its size, ends it in an error that names
  /// the file. The form outlives the stream.
  StreamPtr<std::string> Body() const;

 private:
  friend class MultipartBody;
  struct Part {
    std::string head;  // what stands before the file's bytes, or all of it
    std::string path;  // "" without a file
    std::uint64_t bytes = 0;
  };
  std::string End() const;

  std::string boundary_;
  std::vector<Part> parts_;
};

}  // namespace tessera
