// What it costs to count, to time and to leave spans. Prints one JSON line a figure.

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <thread>
#include <vector>

#include "base/ctx.h"
#include "telemetry/metrics.h"
#include "telemetry/trace_recorder.h"

namespace tessera {
namespace {

constexpr int kRounds = 9;
constexpr int kTimes = 2'000'000;

double ThreadNanoseconds() {
  timespec now = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Processor nanoseconds of one `work` on each of `threads` that do it side by side; the least
// disturbed round, since noise of the machine only adds.
double Measure(int threads, int times, const std::function<void(int)>& work) {
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> pool;
    std::vector<double> took(static_cast<std::size_t>(threads));
    for (double& nanoseconds : took) {
      pool.emplace_back([&] {
        const double start = ThreadNanoseconds();
        work(times);
        nanoseconds = (ThreadNanoseconds() - start) / times;
      });
    }
    for (std::thread& thread : pool) thread.join();
    best = std::min(best, *std::max_element(took.begin(), took.end()));
  }
  return best;
}

void Print(const char* name, double value, double goal, const char* how) {
  std::printf(R"({"name": "%s", "value": %.1f, "unit": "ns", "goal": "<= %.0f ns", "met": %s, )"
              R"("how": "%s; least disturbed of %d rounds"})"
              "\n",
              name, value, goal, value <= goal ? "true" : "false", how, kRounds);
  std::fflush(stdout);
}

// A request as the edge begins and ends it, with `inner` spans of two attributes below its root.
void Requests(int times, int inner) {
  TraceRecorder& recorder = TraceRecorder::Process();
  static RouteTail tail;
  static Histogram seconds;
  for (int i = 0; i < times; ++i) {
    auto info = std::make_shared<RequestInfo>();
    info->trace = {.high = 1, .low = static_cast<std::uint64_t>(i), .sampled = false};
    recorder.Begin(*info, false, false);
    info->spans->Begin("POST /v1/chat/completions", SpanKind::kServer, 0);
    info->spans->SetTail(&tail, &seconds);
    info->spans->Set(0, "tessera.request_id", "0123456789abcdef");
    info->spans->Set(0, "client.address", "127.0.0.1");
    const Ctx ctx = Ctx(info, {}).WithSpan(info->spans->IdOf(0));
    for (int span = 0; span < inner; ++span) {
      Ctx below = ctx;
      SpanScope scope(below, "step");
      scope.Set("number", span);
      scope.Set("text", "a short one");
      scope.End(absl::StatusCode::kOk);
    }
    info->spans->Set(0, "http.response.status_code", 200);
    info->spans->EndRoot(absl::StatusCode::kOk, false);
  }
}

void Plain(int times) {
  for (int i = 0; i < times; ++i) {
    auto info = std::make_shared<RequestInfo>();
    info->trace = {.high = 1, .low = static_cast<std::uint64_t>(i), .sampled = false};
    const Ctx ctx = Ctx(info, {}).WithSpan(1);
    asm volatile("" : : "r"(&ctx) : "memory");
  }
}

void Run() {
  Counter& counter = Metrics::Process().NewCounter("bench_total", "Of a bench.");
  Histogram& histogram = Metrics::Process().NewHistogram("bench_seconds", "Of a bench.");
  Print("a counter's increment, 2 threads",
        Measure(2, kTimes,
                [&](int times) {
                  for (int i = 0; i < times; ++i) counter.Add();
                }),
        10, "both threads add to one counter");
  Print("a histogram's record, 2 threads",
        Measure(2, kTimes,
                [&](int times) {
                  for (int i = 0; i < times; ++i)
                    histogram.Observe(static_cast<std::uint64_t>(i) * 64);
                }),
        25, "both threads record into one histogram");

  TraceRecorder::Options options;
  options.on = true;
  options.sampler.root = TraceSampler::Root::kAlwaysOff;
  options.tail.recent_per_second = 0;
  options.tail.rare_after = std::chrono::hours(24 * 365 * 50);
  TraceRecorder::Process().Configure(options);
  constexpr int kRequests = 5'000;
  const double plain = Measure(2, kRequests, Plain);
  const double empty = Measure(2, kRequests, [](int times) { Requests(times, 0); }) - plain;
  const double ten = Measure(2, kRequests, [](int times) { Requests(times, 10); }) - plain;
  Print("a request that is recorded and not kept, 2 threads", empty, 3000,
        "its root with three attributes, over the same without recording");
  Print("a span with two attributes, 2 threads", (ten - empty) / 10, 150,
        "of ten spans below a root");
}

}  // namespace
}  // namespace tessera

int main() {
  tessera::Run();
  return 0;
}
