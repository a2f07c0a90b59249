#pragma once
// Files of any kind to text, in a sandboxed child process: the side that the platform calls.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/status.h"
#include "extract/block.h"

namespace tessera {

template <class C>
class Fields;

/// Limits of one extraction and where its worker is. Every limit that is passed ends the document
/// (or the file) with a named error, never the process.
struct ExtractConfig {
  Bytes file_bytes_max = 4_GiB;
  Bytes text_bytes_max = 2_GiB;
  Bytes block_bytes_max = 16_KiB;
  Bytes tree_bytes_max = 64_MiB;
  Bytes archive_bytes_max = 4_GiB;
  std::uint32_t archive_ratio_max = 200;
  std::uint32_t archive_entries_max = 20'000;
  std::uint32_t archive_depth_max = 3;
  std::uint32_t ocr_pages_max = 500;
  std::string ocr_languages;
  std::chrono::seconds stall_max{120};
  std::chrono::seconds cpu_max{900};
  Bytes memory_bytes_max = 1_GiB;
  std::string temp_dir;
  /// The worker's program and arguments; empty: this program's own "extract-worker" command. Not a
  /// field of the configuration file.
  std::vector<std::string> worker;

  static void Describe(Fields<ExtractConfig>& f);
};

/// A running extraction: pull events until Next() answers false. Memory stays bounded whatever the
/// file: the worker waits while nobody pulls. One thread at a time pulls; any thread may cancel
/// (through the token given to Open). Destroying it early stops the worker. Must not outlive its
/// Extractor.
class Extraction {
 public:
  virtual ~Extraction() = default;
  /// Blocks until the next event: run it on an executor that may block. False when the file is
  /// done. What is wrong with the file comes as an event (kEnd with an error; a crash of the
  /// reader is `corrupt`); a Status only when the extraction itself ended: CANCELLED (or the
  /// token's reason), INTERNAL.
  virtual Result<bool> Next(ExtractEvent& event) = 0;
};

/// Starts extractions. Keeps one worker process that forks a sandboxed child for every file, and
/// starts it again should it die. Thread-safe; as many extractions run side by side as are opened.
class Extractor {
 public:
  /// Starts the worker at the first Open, so it cannot fail here.
  explicit Extractor(ExtractConfig config);
  ~Extractor();
  Extractor(const Extractor&) = delete;

  /// A file on disk; `name` is what the document will be called (its extension is a hint). Never
  /// fails for the file's sake. UNAVAILABLE: the worker could not be started.
  Result<std::unique_ptr<Extraction>> Open(const std::string& path, std::string name,
                                           CancelToken cancel = {});
  /// The same for bytes at hand.
  Result<std::unique_ptr<Extraction>> OpenBytes(std::string_view bytes, std::string name,
                                                CancelToken cancel = {});

 private:
  class Workers;
  std::unique_ptr<Workers> workers_;
};

/// The whole life of a worker process: serves the extractor on `control_fd` until that closes.
/// `tessera extract-worker` calls it first thing in main(), before any thread exists. Returns the
/// exit code.
int RunExtractWorker(int control_fd = 0);

}  // namespace tessera
