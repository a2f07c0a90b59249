#include "app/ingest_status.h"

#include <algorithm>
#include <utility>

namespace tessera {

bool Ended(const v1::Job& job) {
  return job.state() == v1::JOB_STATE_DONE || job.state() == v1::JOB_STATE_CANCELLED;
}

void IngestSum::AddSent(std::uint64_t bytes) {
  ++files_sent_;
  bytes_sent_ += bytes;
  status_.files = std::max(status_.files, files_sent_);
  status_.bytes_total = std::max(status_.bytes_total, bytes_sent_);
  status_.sent = files_sent_;
}

void IngestSum::AddFailure(IngestFailure failure) { own_failures_.push_back(std::move(failure)); }

void IngestSum::Update(const v1::Job& job) {
  jobs_[job.id()] = job;
  IngestStatus sum;
  std::uint64_t bytes_in_jobs = 0;
  for (const auto& [id, one] : jobs_) {
    sum.files += one.sources();
    sum.done += one.succeeded() + one.failed();
    sum.failed += one.failed();
    sum.chunks += one.chunks();
    sum.chunks_total += one.chunks_total();
    bytes_in_jobs += one.bytes_total();
    sum.bytes_done += one.bytes_done();
    if (!Ended(one)) sum.chunks_per_second += one.chunks_per_second();
    for (const v1::SourceProgress& source : one.progress()) {
      if (source.state() == v1::SOURCE_STATE_UNCHANGED) ++sum.unchanged;
      if (source.state() == v1::SOURCE_STATE_FAILED)
        sum.failures.push_back({source.name(), source.error_code(), source.error()});
    }
  }
  sum.files = std::max(sum.files, files_sent_) + own_failures_.size();
  sum.sent = files_sent_;
  sum.bytes_total = std::max(bytes_in_jobs, bytes_sent_);
  sum.done += own_failures_.size();
  sum.failed += own_failures_.size();
  sum.failures.insert(sum.failures.end(), own_failures_.begin(), own_failures_.end());
  status_ = std::move(sum);
}

bool IngestSum::HasEnded(const std::string& job) const {
  const auto it = jobs_.find(job);
  return it != jobs_.end() && Ended(it->second);
}

bool IngestSum::AllEnded() const {
  return std::all_of(jobs_.begin(), jobs_.end(), [](const auto& job) { return Ended(job.second); });
}

}  // namespace tessera
