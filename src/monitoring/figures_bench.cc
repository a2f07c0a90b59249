// What a read of /metrics costs with 10,000 series. Prints one JSON line a figure.

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/str.h"
#include "monitoring/platform_figures.h"

namespace tessera {
namespace {

constexpr int kRounds = 25;
constexpr int kSeries = 10'000;
constexpr int kLinesOfHistogram = Histogram::kBuckets + 2;

// As Prometheus counts them: each bucket is one. Half of them are a histogram's.
void Fill(Metrics& metrics, int series) {
  for (int i = 0; i < series / 2; ++i) {
    metrics
        .NewCounter(StrCat("bench_", i % 10, "_total"), "Of a bench.",
                    {{"route", StrCat("/v1/things/", i)}, {"class", "2xx"}})
        .Add(static_cast<std::uint64_t>(i));
  }
  for (int i = 0; i < series / 2 / kLinesOfHistogram; ++i) {
    Histogram& histogram = metrics.NewHistogram(StrCat("bench_", i % 3, "_seconds"), "Of a bench.",
                                                {{"route", StrCat("/v1/things/", i)}});
    for (std::uint64_t bit = 8; bit < 40; ++bit) histogram.Observe(std::uint64_t{1} << bit);
  }
}

double ThreadMillis() {
  timespec now = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

using Processes = std::vector<std::unique_ptr<Metrics>>;

Task<std::vector<FiguresOfProcess>> Tell(const Processes* all) {
  std::vector<FiguresOfProcess> told;
  for (const auto& metrics : *all)
    told.push_back({.group = "front", .process = "front-0", .text = metrics->Text()});
  co_return told;
}

// Of a platform of `processes` that have `kSeries` together, without the way between them.
void Measure(int processes, const char* name) {
  Processes all;
  for (int i = 0; i < processes; ++i) {
    all.push_back(std::make_unique<Metrics>());
    Fill(*all.back(), kSeries / processes);
  }
  const auto ask = [&all](Ctx) { return Tell(&all); };
  PlatformFigures figures(ask, {});
  double best = 1e9;
  std::size_t size = 0;
  for (int round = 0; round < kRounds; ++round) {
    const double start = ThreadMillis();
    size = SyncWait(figures.Text(Ctx(), ExpositionFormat::kPrometheus)).size();
    best = std::min(best, ThreadMillis() - start);
  }
  std::printf(R"({"name": "%s", "value": %.2f, "unit": "ms", "goal": "<= 20 ms", "met": %s, )"
              R"("how": "%d series, %zu kB of text; least disturbed of %d rounds"})"
              "\n",
              name, best, best <= 20 ? "true" : "false", kSeries, size >> 10, kRounds);
}

}  // namespace
}  // namespace tessera

int main() {
  tessera::Measure(1, "a read of /metrics, one process");
  tessera::Measure(4, "a read of /metrics, four processes");
  return 0;
}
