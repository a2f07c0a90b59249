#pragma once
// Gathers what the platform's processes have recorded, keeps it and hands it on.

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/task.h"
#include "runtime/rounds.h"
#include "telemetry/metrics.h"
#include "tessera/v1/group.pb.h"
#include "traces/fragment.h"
#include "traces/slow_requests.h"
#include "traces/trace_store.h"

namespace tessera {

/// Of this process: what is to be kept, as TakeSpans of the contract Group answers.
v1::TakeSpansReply TakeOwnSpans(const v1::TakeSpansRequest& request);
/// The same into `reply`, which may lie in an arena.
void TakeOwnSpansInto(const v1::TakeSpansRequest& request, v1::TakeSpansReply* reply);

/// Decides which traces the store gets: so many a second of each kind, and all parts of one or
/// none. Parts that come before the trace's beginning wait for it. Not thread-safe.
class TraceAdmission {
 public:
  struct Rates {
    std::uint32_t sampled = 100;
    std::uint32_t errors = 100;
    std::uint32_t others = 200;  ///< slow and rare ones; the recorder counts the recent ones
  };
  explicit TraceAdmission(Rates rates);

  /// What is to be written now that `fragment` has come.
  std::vector<v1::SpanFragment> Add(const v1::SpanFragment& fragment, SteadyTime now);
  /// Parts whose beginning did not come in time.
  std::vector<v1::SpanFragment> Late(SteadyTime now);

 private:
  struct Known {
    bool admitted = false;
    SteadyTime until;
  };
  struct Bucket {
    std::uint32_t used = 0;
    SteadyTime since;
  };
  bool Admit(const v1::SpanFragment& root, SteadyTime now);
  void Forget(SteadyTime now);
  std::vector<v1::SpanFragment> Waiting(const std::string& id);

  const Rates rates_;
  std::map<std::string, Bucket> buckets_;
  std::unordered_map<std::string, Known> known_;
  std::deque<std::pair<SteadyTime, std::string>> known_order_;
  std::unordered_map<std::string, std::vector<v1::SpanFragment>> waiting_;
  std::deque<std::pair<SteadyTime, std::string>> waiting_order_;
  std::size_t waiting_count_ = 0;
};

/// Looks twice a second, on a thread of its own. Thread-safe.
class TraceCollector {
 public:
  struct Parts {
    /// Asks the other processes of the platform; may be empty.
    std::function<Task<std::vector<v1::TakeSpansReply>>(Ctx, v1::TakeSpansRequest)> others;
    /// Gets what was chosen at its beginning; may be empty. Must not block.
    std::function<void(const v1::SpanFragment&)> take_sampled;
    std::unique_ptr<TraceStore> store;  ///< null: nothing is kept
    /// False: another process asks this one; until Stop(). Empty: always true.
    std::function<bool()> collects;
    TraceAdmission::Rates rates;
  };
  explicit TraceCollector(Parts parts);

  /// Returns when what has ended before is in the store, or after `limit`. Blocks.
  void Flush(Duration limit) { rounds_.Flush(limit); }
  /// Looks a last time.
  void Stop() { rounds_.Stop(); }

 private:
  void Round(Rounds::Why why);
  bool Collect();
  void Take(const v1::TakeSpansReply& reply, std::vector<v1::SpanFragment>& to_write);
  bool TakeOwn(std::vector<v1::SpanFragment>& to_write);

  const Parts parts_;
  TraceAdmission admission_;
  SlowRequests slow_;
  Counter& kept_;
  Counter& failed_writes_;
  Gauge& bytes_;
  Counter& evicted_;
  std::vector<std::string> wanted_;
  const std::unique_ptr<char[]> own_block_;  ///< of the arena in which this process's spans lie
  Rounds rounds_;
};

}  // namespace tessera
