#include "services/dataprep/job.h"

#include <algorithm>
#include <utility>

#include "runtime/timer.h"

namespace tessera {
namespace {

// Failed and running first, then those that ended, then those that wait.
int Rank(v1::SourceState state) {
  switch (state) {
    case v1::SOURCE_STATE_FAILED:
      return 0;
    case v1::SOURCE_STATE_RUNNING:
      return 1;
    case v1::SOURCE_STATE_QUEUED:
      return 3;
    default:
      return 2;
  }
}

class JobStream final : public Stream<v1::Job> {
 public:
  JobStream(std::shared_ptr<ActiveJob> job, Duration interval)
      : job_(std::move(job)), interval_(interval) {}

  Task<Result<std::optional<v1::Job>>> Next(Ctx ctx) override {
    if (finished_) co_return std::nullopt;
    if (version_ != 0) {
      CO_TRY(co_await job_->WaitForChange(ctx, version_));
      const Duration since = Now() - last_;
      if (since < interval_ && !job_->ended()) CO_TRY(co_await SleepFor(ctx, interval_ - since));
    }
    // A change that comes from here on is told by the next item.
    if (job_->released() && !job_->ended()) co_return std::nullopt;
    std::uint64_t now = 0;
    CO_TRY(co_await job_->WaitForChange(ctx, now));
    version_ = now;
    last_ = Now();
    v1::Job view = job_->View();
    finished_ = HasEnded(view.state());
    co_return std::move(view);
  }

 private:
  const std::shared_ptr<ActiveJob> job_;
  const Duration interval_;
  std::uint64_t version_ = 0;
  SteadyTime last_;
  bool finished_ = false;
};

class OneJobStream final : public Stream<v1::Job> {
 public:
  explicit OneJobStream(v1::Job job) : job_(std::move(job)) {}
  Task<Result<std::optional<v1::Job>>> Next(Ctx) override {
    co_return std::exchange(job_, std::nullopt);
  }

 private:
  std::optional<v1::Job> job_;
};

}  // namespace

bool HasEnded(v1::SourceState state) {
  return state != v1::SOURCE_STATE_UNSPECIFIED && state != v1::SOURCE_STATE_QUEUED &&
         state != v1::SOURCE_STATE_RUNNING;
}

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_DONE || state == v1::JOB_STATE_CANCELLED;
}

v1::Job ViewOfJob(const v1::Job& job, const std::vector<JobEntry>& entries,
                  std::size_t progress_max) {
  v1::Job view = job;
  view.set_sources(static_cast<std::uint32_t>(entries.size()));
  std::uint32_t succeeded = 0;
  std::uint32_t failed = 0;
  std::uint64_t chunks = 0;
  std::vector<std::uint32_t> by_rank[4];
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    const v1::SourceProgress& progress = entries[i].progress;
    succeeded +=
        progress.state() == v1::SOURCE_STATE_DONE || progress.state() == v1::SOURCE_STATE_UNCHANGED;
    failed += progress.state() == v1::SOURCE_STATE_FAILED;
    chunks += progress.chunks();
    by_rank[Rank(progress.state())].push_back(i);
  }
  view.set_succeeded(succeeded);
  view.set_failed(failed);
  view.set_chunks(chunks);
  for (const std::vector<std::uint32_t>& rank : by_rank) {
    for (const std::uint32_t i : rank) {
      if (static_cast<std::size_t>(view.progress_size()) == progress_max) return view;
      *view.add_progress() = entries[i].progress;
    }
  }
  return view;
}

ActiveJob::ActiveJob(StoredJob stored, const CancelToken& shutdown)
    : id_(stored.job.id()),
      collection_(stored.job.collection()),
      request_(std::move(stored.request)),
      kind_(stored.job.kind()),
      embedder_(stored.job.embedder()),
      given_(static_cast<std::uint32_t>(
          std::count_if(stored.entries.begin(), stored.entries.end(),
                        [](const JobEntry& entry) { return !entry.parent; }))),
      cancel_(shutdown),
      job_(std::move(stored.job)),
      entries_(std::move(stored.entries)),
      dirty_(entries_.size(), false) {
  for (JobEntry& entry : entries_) {
    if (!HasEnded(entry.progress.state())) entry.progress.set_state(v1::SOURCE_STATE_QUEUED);
    chunks_before_ += entry.progress.chunks();
  }
}

void ActiveJob::Cancel() {
  cancelled_by_user_ = true;
  cancel_.Cancel(absl::CancelledError("the job was cancelled"));
}

void ActiveJob::CancelEntries() {
  std::lock_guard lock(mutex_);
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    v1::SourceProgress& progress = entries_[i].progress;
    if (HasEnded(progress.state())) continue;
    const bool committed = !progress.document_id().empty();
    progress.set_state(committed ? v1::SOURCE_STATE_DONE : v1::SOURCE_STATE_CANCELLED);
    if (!committed) progress.set_chunks(0);
    Touch(i);
  }
}

v1::Job ActiveJob::View() const {
  std::lock_guard lock(mutex_);
  v1::Job view = ViewOfJob(job_, entries_);
  if (started_ != SteadyTime::max() && !HasEnded(job_.state())) {
    const double seconds = std::chrono::duration<double>(Now() - started_).count();
    const std::uint64_t chunks = view.chunks() - std::min(view.chunks(), chunks_before_);
    if (seconds > 0.2) view.set_chunks_per_second(static_cast<double>(chunks) / seconds);
  }
  return view;
}

JobEntry ActiveJob::Entry(std::uint32_t number) const {
  std::lock_guard lock(mutex_);
  return entries_[number];
}

std::uint32_t ActiveJob::FindDocument(std::uint32_t parent, const std::string& name) {
  std::lock_guard lock(mutex_);
  if (entries_[parent].progress.name() == name) return parent;
  for (std::uint32_t i = given_; i < entries_.size(); ++i)
    if (entries_[i].parent == parent && entries_[i].progress.name() == name) return i;
  JobEntry entry;
  entry.parent = parent;
  entry.progress.set_name(name);
  entry.progress.set_state(v1::SOURCE_STATE_QUEUED);
  entries_.push_back(std::move(entry));
  dirty_.push_back(true);
  return static_cast<std::uint32_t>(entries_.size() - 1);
}

void ActiveJob::AddBytes(std::uint64_t done) {
  std::lock_guard lock(mutex_);
  job_.set_bytes_done(job_.bytes_done() + done);
  job_.set_bytes_total(std::max(job_.bytes_total(), job_.bytes_done()));
}

void ActiveJob::SetChunksTotal(std::uint64_t total) {
  {
    std::lock_guard lock(mutex_);
    job_.set_chunks_total(total);
    ++version_;
  }
  Notify();
}

void ActiveJob::SetState(v1::JobState state) {
  {
    std::lock_guard lock(mutex_);
    if (state == v1::JOB_STATE_RUNNING) started_ = Now();
    if (HasEnded(state)) {
      job_.set_ended_ms(WallMillis());
      if (started_ != SteadyTime::max()) {
        const double seconds = std::chrono::duration<double>(Now() - started_).count();
        std::uint64_t chunks = 0;
        for (const JobEntry& entry : entries_) chunks += entry.progress.chunks();
        chunks -= std::min(chunks, chunks_before_);
        if (seconds > 0) job_.set_chunks_per_second(static_cast<double>(chunks) / seconds);
      }
    }
    job_.set_state(state);
    ++version_;
  }
  Notify();
}

bool ActiveJob::ended() const {
  std::lock_guard lock(mutex_);
  return HasEnded(job_.state());
}

void ActiveJob::Release() {
  {
    std::lock_guard lock(mutex_);
    released_ = true;
  }
  Notify();
}

bool ActiveJob::released() const {
  std::lock_guard lock(mutex_);
  return released_;
}

StoredJob ActiveJob::TakeChanges(std::vector<std::uint32_t>& numbers) {
  std::lock_guard lock(mutex_);
  StoredJob changes;
  changes.job = ViewOfJob(job_, entries_, 0);
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    if (!dirty_[i]) continue;
    dirty_[i] = false;
    numbers.push_back(i);
    changes.entries.push_back(entries_[i]);
  }
  return changes;
}

void ActiveJob::PutBack(const std::vector<std::uint32_t>& numbers) {
  std::lock_guard lock(mutex_);
  for (const std::uint32_t number : numbers) dirty_[number] = true;
}

void ActiveJob::Touch(std::uint32_t number) {
  dirty_[number] = true;
  ++version_;
}

void ActiveJob::Notify() {
  std::vector<WaiterHandle> watchers;
  {
    std::lock_guard lock(mutex_);
    watchers = std::exchange(watchers_, {});
  }
  for (const WaiterHandle& watcher : watchers) watcher.Complete(absl::OkStatus());
}

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): its caller awaits it
Task<Status> ActiveJob::WaitForChange(Ctx ctx, std::uint64_t& version) {
  while (true) {
    Waiter change(ctx);
    {
      std::lock_guard lock(mutex_);
      if (version != version_ || released_ || HasEnded(job_.state())) {
        version = version_;
        co_return absl::OkStatus();
      }
      watchers_.push_back(change.handle());
    }
    CO_TRY(co_await change);
  }
}

StreamPtr<v1::Job> WatchActiveJob(std::shared_ptr<ActiveJob> job, Duration interval) {
  return std::make_unique<JobStream>(std::move(job), interval);
}

StreamPtr<v1::Job> OneJob(v1::Job job) { return std::make_unique<OneJobStream>(std::move(job)); }

}  // namespace tessera
