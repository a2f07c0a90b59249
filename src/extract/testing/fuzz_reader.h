#pragma once
// What the fuzz targets of the readers share: read bytes in this process and check what every
// consumer relies on.

#include <cstdint>
#include <cstdlib>
#include <string>

#include <unistd.h>

#include "extract/readers.h"

namespace tessera {

/// Aborts when an event breaks the promises of block.h.
class CheckingSink final : public EventSink {
 public:
  explicit CheckingSink(const ExtractConfig& limits) : limits_(limits) {}
  void Accept(const ExtractEvent& event) override {
    switch (event.kind) {
      case ExtractEvent::Kind::kStart:
        CHECK(!open_);
        open_ = true;
        break;
      case ExtractEvent::Kind::kBlock:
        CHECK(open_ && !event.block.text.empty() && IsUtf8(event.block.text));
        CHECK(event.block.text.size() <= limits_.block_bytes_max.count);
        CHECK(event.block.heading_level <= 6 && event.block.list_depth <= 15);
        CHECK((event.block.kind == BlockKind::kHeading) == (event.block.heading_level > 0));
        break;
      case ExtractEvent::Kind::kEnd:
        CHECK(open_);
        open_ = false;
        break;
    }
  }
  bool open() const { return open_; }

 private:
  const ExtractConfig& limits_;
  bool open_ = false;
};

inline ExtractConfig FuzzLimits() {
  ExtractConfig limits;
  limits.block_bytes_max.count = 2048;
  limits.archive_bytes_max.count = 4 << 20;
  limits.tree_bytes_max.count = 4 << 20;
  limits.archive_entries_max = 50;
  return limits;
}

/// A temporary folder for the life of the fuzzer.
class FuzzFolder {
 public:
  FuzzFolder() { CHECK(::mkdtemp(path_.data()) != nullptr); }
  ~FuzzFolder() { ::rmdir(path_.c_str()); }
  FuzzFolder(const FuzzFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/extract-fuzz-XXXXXX";
};

/// Runs one reader (or ReadFile, which detects the format) over the bytes.
template <class Reader>
void FuzzRead(const std::uint8_t* data, std::size_t size, const std::string& name, Reader reader) {
  static const ExtractConfig limits = FuzzLimits();
  CheckingSink sink(limits);
  Emitter emitter(limits, sink);
  const InputFile file = InputFile::OfBytes({reinterpret_cast<const char*>(data), size}, name);
  ReadJob job{limits, emitter};
  static const FuzzFolder folder;
  job.temp_dir = folder.path();
  job.file_bytes = size;
  job.depth = 2;  // an archive within opens no further one
  DocumentInfo info;
  info.name = name;
  ExtractFailure failure = reader(file, info, job);
  if (failure || emitter.started()) emitter.End(info, failure);
  CHECK(!sink.open());
}

}  // namespace tessera
