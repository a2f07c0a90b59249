#include "traces/trace_collector.h"

#include <algorithm>
#include <iterator>

#include <google/protobuf/arena.h>

#include "base/str.h"
#include "telemetry/log.h"
#include "telemetry/trace_recorder.h"

namespace tessera {
namespace {

constexpr Duration kInterval = std::chrono::milliseconds(500);
constexpr Duration kAskLimit = std::chrono::seconds(3);
constexpr std::uint32_t kTakenAtOnce = 2000;
constexpr std::uint32_t kOwnAtOnce = 200;
constexpr std::size_t kOwnBlock = 1 << 20;  // what that many take; more is found as it is needed
constexpr std::size_t kWaitingMax = 4096;
constexpr std::size_t kKnownMax = 50'000;
constexpr Duration kRootPatience = std::chrono::minutes(2);
constexpr Duration kKnownTime = std::chrono::minutes(2);

Counter& Dropped(std::string_view reason) {
  return Metrics::Process().NewCounter(
      "tessera_trace_store_dropped_total",
      "Traces that were to be kept and were not, by the quota that they found used up.",
      {{"reason", std::string(reason)}});
}

}  // namespace

v1::TakeSpansReply TakeOwnSpans(const v1::TakeSpansRequest& request) {
  v1::TakeSpansReply reply;
  TakeOwnSpansInto(request, &reply);
  return reply;
}

void TakeOwnSpansInto(const v1::TakeSpansRequest& request, v1::TakeSpansReply* reply) {
  std::vector<TraceId> wanted;
  for (const std::string& id : request.wanted()) {
    if (const auto trace = ParseTraceId(id)) wanted.push_back(*trace);
  }
  const std::uint32_t max =
      request.fragments_max() == 0 ? kTakenAtOnce : std::min(request.fragments_max(), kTakenAtOnce);
  TraceRecorder& recorder = TraceRecorder::Process();
  std::size_t taken = 0;
  for (const auto& [spans, reason] : recorder.Take(wanted, max)) {
    FillFragment(*spans, reason, reply->add_fragments());
    ++taken;
  }
  reply->set_more(taken == max);
  reply->set_dropped(recorder.dropped());
}

TraceAdmission::TraceAdmission(Rates rates) : rates_(rates) {}

bool TraceAdmission::Admit(const v1::SpanFragment& root, SteadyTime now) {
  const std::string kind = root.reason().empty() ? "others" : root.reason();
  if (kind == "recent") return true;
  const std::uint32_t max = kind == "sampled" ? rates_.sampled
                            : kind == "error" ? rates_.errors
                                              : rates_.others;
  Bucket& bucket = buckets_[kind];
  if (now - bucket.since >= std::chrono::seconds(1)) bucket = {.used = 0, .since = now};
  if (bucket.used < max) {
    ++bucket.used;
    return true;
  }
  Dropped(kind).Add();
  return false;
}

void TraceAdmission::Forget(SteadyTime now) {
  while (!known_order_.empty() &&
         (known_order_.front().first < now || known_order_.size() > kKnownMax)) {
    known_.erase(known_order_.front().second);
    known_order_.pop_front();
  }
}

std::vector<v1::SpanFragment> TraceAdmission::Add(const v1::SpanFragment& fragment,
                                                  SteadyTime now) {
  Forget(now);
  std::vector<v1::SpanFragment> to_write;
  const std::string id = fragment.trace_id();
  const auto known = known_.find(id);
  if (known != known_.end()) {
    if (known->second.admitted) to_write.push_back(fragment);
    return to_write;
  }
  if (!fragment.root()) {
    if (waiting_count_ >= kWaitingMax || waiting_order_.size() >= 4 * kWaitingMax) {
      Dropped("waiting").Add();
      return to_write;
    }
    waiting_[id].push_back(fragment);
    waiting_order_.emplace_back(now, id);
    ++waiting_count_;
    return to_write;
  }
  const bool admitted = Admit(fragment, now);
  known_[id] = {.admitted = admitted, .until = now + kKnownTime};
  known_order_.emplace_back(now + kKnownTime, id);
  std::vector<v1::SpanFragment> parts = Waiting(id);
  if (!admitted) return to_write;
  to_write.push_back(fragment);
  std::ranges::move(parts, std::back_inserter(to_write));
  return to_write;
}

std::vector<v1::SpanFragment> TraceAdmission::Waiting(const std::string& id) {
  auto node = waiting_.extract(id);
  if (node.empty()) return {};
  waiting_count_ -= node.mapped().size();
  return std::move(node.mapped());
}

std::vector<v1::SpanFragment> TraceAdmission::Late(SteadyTime now) {
  std::vector<v1::SpanFragment> late;
  while (!waiting_order_.empty() && waiting_order_.front().first < now - kRootPatience) {
    std::ranges::move(Waiting(waiting_order_.front().second), std::back_inserter(late));
    waiting_order_.pop_front();
  }
  // Of traces that have come whole meanwhile nothing waits any more.
  while (!waiting_order_.empty() && !waiting_.contains(waiting_order_.front().second))
    waiting_order_.pop_front();
  return late;
}

TraceCollector::TraceCollector(Parts parts)
    : parts_(std::move(parts)),
      admission_(parts_.rates),
      kept_(Metrics::Process().NewCounter("tessera_trace_fragments_kept_total",
                                          "Parts of traces, one a process, that were stored.")),
      failed_writes_(Metrics::Process().NewCounter("tessera_trace_store_failed_total",
                                                   "Parts of traces that the disk did not take.")),
      bytes_(Metrics::Process().NewGauge("tessera_trace_store_bytes", "Bytes of kept traces.")),
      evicted_(Metrics::Process().NewCounter("tessera_trace_store_evicted_total",
                                             "Traces that made room for newer ones.")),
      own_block_(std::make_unique_for_overwrite<char[]>(kOwnBlock)),
      rounds_(kInterval, [this](Rounds::Why why) { Round(why); }) {}

void TraceCollector::Round(Rounds::Why why) {
  const bool collects = why == Rounds::Why::kEnd || !parts_.collects || parts_.collects();
  while (collects && Collect()) {
  }
  slow_.Write(parts_.store.get(), Now(), why == Rounds::Why::kEnd);
}

void TraceCollector::Take(const v1::TakeSpansReply& reply,
                          std::vector<v1::SpanFragment>& to_write) {
  const SteadyTime now = Now();
  for (const v1::SpanFragment& fragment : reply.fragments()) {
    slow_.See(fragment, now);
    if (fragment.sampled() && parts_.take_sampled) parts_.take_sampled(fragment);
    // Its parts elsewhere were not chosen: they must be asked for.
    if (fragment.root() && !fragment.sampled() && parts_.others)
      wanted_.push_back(fragment.trace_id());
    if (!parts_.store) continue;
    std::ranges::move(admission_.Add(fragment, now), std::back_inserter(to_write));
  }
}

// True when there may be more. In an arena: most of it is only looked at.
bool TraceCollector::TakeOwn(std::vector<v1::SpanFragment>& to_write) {
  google::protobuf::ArenaOptions options;
  options.initial_block = own_block_.get();
  options.initial_block_size = kOwnBlock;
  google::protobuf::Arena arena(options);
  auto* const own = google::protobuf::Arena::CreateMessage<v1::TakeSpansReply>(&arena);
  v1::TakeSpansRequest request;
  request.set_fragments_max(kOwnAtOnce);
  TakeOwnSpansInto(request, own);
  Take(*own, to_write);
  return own->more();
}

// True when there may be more at once.
bool TraceCollector::Collect() {
  v1::TakeSpansRequest request;
  std::vector<v1::SpanFragment> to_write;
  // This process first: what it keeps is then asked for in the others in the same round.
  bool more = TakeOwn(to_write);
  if (parts_.others) {
    for (const std::string& id : std::exchange(wanted_, {})) request.add_wanted(id);
    for (const v1::TakeSpansReply& reply :
         SyncWait(parts_.others(SystemCtx().WithTimeout(kAskLimit), request))) {
      more = more || reply.more();
      Take(reply, to_write);
    }
    if (request.wanted_size() > 0) {
      // Calls into this process from the others belong to these traces too.
      Take(TakeOwnSpans(request), to_write);
    }
  }
  if (!parts_.store) return more;
  std::ranges::move(admission_.Late(Now()), std::back_inserter(to_write));
  const std::uint64_t evicted_before = parts_.store->evicted();
  const Status written = parts_.store->Write(to_write, WallMillis());
  if (written.ok()) {
    kept_.Add(to_write.size());
  } else {
    failed_writes_.Add(to_write.size());
    Log(LogLevel::kWarning, "traces could not be kept", {{"reason", written.ToString()}});
  }
  bytes_.Set(static_cast<std::int64_t>(parts_.store->bytes()));
  evicted_.Add(parts_.store->evicted() - evicted_before);
  return more;
}

}  // namespace tessera
