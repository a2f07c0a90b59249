#pragma once
// From jobs to one line of progress.

#include <map>
#include <string>

#include "app/client.h"
#include "tessera/v1/dataprep.pb.h"

namespace tessera {

/// Adds up the jobs of one ingest. Not thread-safe.
class IngestSum {
 public:
  /// Notes a file that a job will soon tell about.
  void AddSent(std::uint64_t bytes);
  /// Notes a file that never got to a job.
  void AddFailure(IngestFailure failure);
  /// Takes the newest state of a job.
  void Update(const v1::Job& job);
  bool AllEnded() const;
  bool HasEnded(const std::string& job) const;
  const IngestStatus& status() const { return status_; }

 private:
  std::map<std::string, v1::Job> jobs_;
  std::vector<IngestFailure> own_failures_;
  std::uint64_t files_sent_ = 0;
  std::uint64_t bytes_sent_ = 0;
  IngestStatus status_;
};

/// Has the job ended?
bool Ended(const v1::Job& job);

}  // namespace tessera
