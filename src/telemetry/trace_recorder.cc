#include "telemetry/trace_recorder.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr std::uint32_t kLookEvery = 512;  // calls between two looks at a route's histogram
constexpr std::uint64_t kFewest = 100;     // calls before a route's own figures say what is slow
constexpr Duration kWantedTime = std::chrono::seconds(5);
constexpr Duration kOpenPatience = std::chrono::seconds(2);
constexpr std::size_t kWantedMax = 4096;

std::uint64_t SecondNow() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(Now().time_since_epoch()).count());
}

}  // namespace

bool TraceSampler::Samples(const TraceId& trace, bool has_parent) const {
  if (parent_based && has_parent) return trace.sampled;
  if (root == Root::kAlwaysOn) return true;
  if (root == Root::kAlwaysOff || ratio <= 0) return false;
  if (ratio >= 1) return true;
  // As the specification has it: of the trace id's last seven bytes.
  constexpr std::uint64_t kBits = std::uint64_t{1} << 56;
  return (trace.low & (kBits - 1)) < static_cast<std::uint64_t>(ratio * static_cast<double>(kBits));
}

TraceReason RouteTail::Judge(bool failed, std::uint64_t nanoseconds, const Histogram* seconds) {
  TraceRecorder& recorder = TraceRecorder::Process();
  const TailRules& rules = recorder.options_.tail;
  if (!rules.on) return TraceReason::kNone;
  if (failed) return TraceReason::kError;
  if (seconds != nullptr &&
      calls_.fetch_add(1, std::memory_order_relaxed) % kLookEvery == kLookEvery - 1) {
    const Histogram::Snapshot snapshot = seconds->snapshot();
    if (snapshot.count >= kFewest)
      slow_ns_.store(static_cast<std::uint64_t>(std::lround(snapshot.Quantile(0.99) * 1e9)),
                     std::memory_order_relaxed);
  }
  const auto always = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(rules.slow).count());
  if (nanoseconds > std::min(always, slow_ns_.load(std::memory_order_relaxed)))
    return TraceReason::kSlow;
  const std::uint64_t second = SecondNow();
  std::uint64_t last = last_kept_.load(std::memory_order_relaxed);
  const bool rare = second >= last + static_cast<std::uint64_t>(rules.rare_after.count());
  if (rare && last_kept_.compare_exchange_strong(last, second)) return TraceReason::kRare;
  return recorder.RoomForRecent() ? TraceReason::kRecent : TraceReason::kNone;
}

TraceRecorder& TraceRecorder::Process() {
  static TraceRecorder* recorder = new TraceRecorder;
  return *recorder;
}

TraceRecorder::TraceRecorder()
    : ended_(Metrics::Process().NewCounter("tessera_trace_requests_total",
                                           "Requests whose spans were recorded in this process.")),
      dropped_(Metrics::Process().NewCounter(
          "tessera_trace_requests_dropped_total",
          "Requests whose spans were to be kept and found no room in the process.")),
      slow_(Metrics::Process().NewCounter("tessera_slow_requests_total",
                                          "Requests that took longer than telemetry.slow_requests "
                                          "allows; few of many are logged.")) {}

void TraceRecorder::Configure(Options options) {
  options_ = std::move(options);
  logged_least_ = options_.tail.logged_after;
  for (const auto& [route, after] : options_.tail.logged_routes) {
    if (logged_least_.count() == 0 || (after.count() > 0 && after < logged_least_))
      logged_least_ = after;
  }
  on_.store(options_.on, std::memory_order_relaxed);
}

void TraceRecorder::Begin(RequestInfo& info, bool has_parent, bool from_platform) {
  if (!on()) return;
  if (!from_platform) info.trace.sampled = options_.sampler.Samples(info.trace, has_parent);
  info.spans = TraceSpans::Make(info.trace, from_platform);
}

bool TraceRecorder::Room(std::atomic<std::uint64_t>& used, std::uint32_t per_second) {
  const std::uint64_t second = SecondNow() & 0xFFFFFFFF;
  std::uint64_t seen = used.load(std::memory_order_relaxed);
  while (true) {
    const std::uint64_t count = seen >> 32 == second ? seen & 0xFFFFFFFF : 0;
    if (count >= per_second) return false;
    if (used.compare_exchange_weak(seen, second << 32 | (count + 1), std::memory_order_relaxed))
      return true;
  }
}

void TraceRecorder::LockedKeep(std::shared_ptr<TraceSpans> spans, TraceReason reason) {
  if (kept_.size() >= options_.kept_max) {
    dropped_.Add();
    return;
  }
  kept_.emplace_back(std::move(spans), reason);
}

void TraceRecorder::LockedForget(SteadyTime now) {
  const SteadyTime oldest = now - options_.fragments_age;
  while (!fragments_.empty() &&
         (fragments_.front().first < oldest || fragments_.size() > options_.fragments_max)) {
    fragments_.pop_front();
  }
}

// Only what took long is looked at closely.
bool TraceRecorder::IsLogged(TraceSpans& spans, std::uint64_t nanoseconds) {
  const TailRules& rules = options_.tail;
  const auto total = static_cast<std::int64_t>(nanoseconds / 1'000'000);
  if (logged_least_.count() == 0 || total <= logged_least_.count()) return false;
  const TraceSpans::Copy copy = spans.Read();
  const auto route = rules.logged_routes.find(std::string(copy.spans.front().name));
  const std::int64_t limit =
      (route != rules.logged_routes.end() ? route->second : rules.logged_after).count();
  std::int64_t item = -1;
  std::int64_t text = -1;
  for (const auto& [attribute, ignored] : copy.attributes) {
    if (attribute.span != 0) continue;
    if (attribute.key == kFirstItemAttribute) item = attribute.integer;
    if (attribute.key == kFirstTextAttribute) text = attribute.integer;
  }
  const std::int64_t waited = item < 0 ? total : std::max(item, text);
  if (limit == 0 || waited <= limit) return false;
  slow_.Add();
  if (!Room(logged_, rules.logged_per_second)) return false;
  spans.Set(0, kSlowAttribute, waited);
  spans.Set(0, kSlowLimitAttribute, limit);
  return true;
}

void TraceRecorder::Finish(TraceSpans& spans, std::uint64_t nanoseconds) {
  ended_.Add();
  if (!on()) return;
  TraceReason reason = TraceReason::kNone;
  if (!spans.platform_parent()) {
    RouteTail& tail = spans.tail_ != nullptr ? *spans.tail_ : other_;
    reason = tail.Judge(spans.failed(), nanoseconds, spans.seconds_);
    if (IsLogged(spans, nanoseconds) && reason != TraceReason::kError) reason = TraceReason::kSlow;
  }
  if (spans.trace().sampled && reason != TraceReason::kError && reason != TraceReason::kSlow)
    reason = TraceReason::kSampled;
  if (reason == TraceReason::kNone && !spans.platform_parent()) return;
  const SteadyTime now = Now();
  std::shared_ptr<TraceSpans> held = spans.shared_from_this();
  std::lock_guard lock(mutex_);
  spans.ended_at_ = now;
  if (reason == TraceReason::kNone) {
    const auto wanted = wanted_.find(spans.trace().low);
    if (wanted == wanted_.end() || wanted->second < now) {
      fragments_.emplace_back(now, std::move(held));
      LockedForget(now);
      return;
    }
  }
  LockedKeep(std::move(held), reason);
}

std::vector<TraceRecorder::Kept> TraceRecorder::Take(std::span<const TraceId> wanted,
                                                     std::size_t max) {
  const SteadyTime now = Now();
  std::vector<Kept> taken;
  std::lock_guard lock(mutex_);
  LockedForget(now);
  if (wanted_.size() + wanted.size() > kWantedMax)
    std::erase_if(wanted_, [&](const auto& entry) { return entry.second < now; });
  for (const TraceId& trace : wanted) {
    if (wanted_.size() < kWantedMax) wanted_[trace.low] = now + kWantedTime;
  }
  if (!wanted.empty()) {
    std::erase_if(fragments_, [&](auto& fragment) {
      const auto found = wanted_.find(fragment.second->trace().low);
      if (found == wanted_.end() || found->second < now) return false;
      LockedKeep(std::move(fragment.second), TraceReason::kNone);
      return true;
    });
  }
  // What still has open spans is given a while to end them.
  std::deque<Kept> waiting;
  while (!kept_.empty()) {
    Kept& kept = kept_.front();
    const bool ready = kept.first->open() == 0 || now - kept.first->ended_at_ > kOpenPatience;
    if (ready && taken.size() < max) {
      taken.push_back(std::move(kept));
    } else {
      waiting.push_back(std::move(kept));
    }
    kept_.pop_front();
  }
  kept_.swap(waiting);
  return taken;
}

}  // namespace tessera
