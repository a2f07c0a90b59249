#pragma once
// The figures of all processes as one text.

#include <functional>
#include <string>
#include <vector>

#include "monitoring/metric_history.h"
#include "runtime/scope.h"

namespace tessera {

/// The figures of one process, as Metrics::Text() has them, and what it is called.
struct FiguresOfProcess {
  std::string group;
  std::string process;
  std::string text;
};

/// Thread-safe. Stop() before it goes, when it was started.
class PlatformFigures {
 public:
  /// Asks every process; one that does not answer in time is left out.
  using Ask = std::function<Task<std::vector<FiguresOfProcess>>(Ctx)>;

  PlatformFigures(Ask ask, const MetricHistory::Options& options)
      : ask_(std::move(ask)),
        step_(std::chrono::milliseconds(options.step_ms)),
        history_(options) {}

  /// Each series labelled with the group and instance of its process.
  Task<std::string> Text(Ctx ctx, ExpositionFormat format);
  const MetricHistory& history() const { return history_; }

  /// Is shown each reading as well, on the executor.
  using Reader = std::function<void(std::int64_t wall_ms, std::int64_t steady_ms,
                                    const std::vector<MetricFamily>& families)>;
  /// Keeps the history from now on; reading the texts is `executor`'s work.
  void Start(Executor& executor, Reader reader = {});
  Task<Status> Stop(Ctx ctx);

 private:
  Task<void> Keep();

  const Ask ask_;
  Reader reader_;
  const Duration step_;
  MetricHistory history_;
  Scope scope_;
};

}  // namespace tessera
