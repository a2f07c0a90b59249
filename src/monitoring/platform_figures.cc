#include "monitoring/platform_figures.h"

#include <utility>

#include "base/clock.h"
#include "runtime/timer.h"
#include "telemetry/exposition.h"

namespace tessera {

Task<std::string> PlatformFigures::Text(Ctx ctx, ExpositionFormat format) {
  const std::vector<FiguresOfProcess> all = co_await ask_(std::move(ctx));
  ExpositionMerge merge(format);
  for (const FiguresOfProcess& one : all)
    merge.Add(one.text, {{"group", one.group}, {"instance", one.process}});
  co_return merge.Text();
}

void PlatformFigures::Start(Executor& executor, Reader reader) {
  reader_ = std::move(reader);
  scope_.Spawn(executor, Keep());
}

Task<Status> PlatformFigures::Stop(Ctx ctx) { co_return co_await scope_.Stop(std::move(ctx)); }

Task<void> PlatformFigures::Keep() {
  const Ctx ctx = SystemCtx(scope_.token());
  SteadyTime next = Now();
  do {
    const std::string text = co_await Text(ctx, ExpositionFormat::kPrometheus);
    const std::vector<MetricFamily> families = ReadExposition(text);
    const std::int64_t wall_ms = WallMillis();
    history_.Record(wall_ms, families);
    if (reader_) {
      const auto steady =
          std::chrono::duration_cast<std::chrono::milliseconds>(Now().time_since_epoch());
      reader_(wall_ms, steady.count(), families);
    }
    next += step_;
  } while ((co_await SleepFor(ctx, std::max(next - Now(), Duration::zero()))).ok());
}

}  // namespace tessera
