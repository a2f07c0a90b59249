#pragma once
// Recorded runs: a file each, in a folder of bounded size.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "config/fields.h"
#include "telemetry/redact.h"
#include "tessera/v1/recordings.pb.h"

namespace tessera {

/// Section `recordings` of the configuration.
struct RecordingConfig {
  bool enabled = false;
  double percent = 0;  ///< of the runs
  std::uint32_t runs_max = 1000;
  Bytes bytes_max{std::uint64_t{64} << 20};
  std::chrono::seconds age_max = std::chrono::hours(24 * 7);
  static void Describe(Fields<RecordingConfig>& f);
};

/// DATA/recordings. Several processes may use it at once. Thread-safe; all of it blocks.
class RecordingStore {
 public:
  /// `redactor` takes out of texts what is not to be kept.
  RecordingStore(std::string folder, const RecordingConfig& config,
                 std::shared_ptr<const Redactor> redactor);

  /// RESOURCE_EXHAUSTED: it would take more than an eighth of the room. Old ones make room.
  Status Put(v1::RecordedRun run);
  Result<v1::RecordedRun> Get(const std::string& id) const;
  Status Delete(const std::string& id);
  /// The newest first, at most 200.
  std::vector<v1::Recording> List() const;

 private:
  struct File;
  Result<std::string> PathOf(const std::string& id) const;
  std::vector<File> Files() const;

  const std::string folder_;
  const RecordingConfig config_;
  const std::shared_ptr<const Redactor> redactor_;
};

}  // namespace tessera
