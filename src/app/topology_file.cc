#include "app/topology_file.h"

#include <chrono>
#include <utility>

#include "app/config_file.h"
#include "control/topology_spec.h"
#include "runtime/timer.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr Duration kLook = std::chrono::seconds(1);

}  // namespace

TopologyFile::TopologyFile(std::string path, std::string applied, Topology& topology)
    : path_(std::move(path)), topology_(topology), seen_(std::move(applied)), pending_(seen_) {}

void TopologyFile::Start(Executor& disk) { CHECK(scope_.Spawn(disk, Watch())); }

Task<void> TopologyFile::Watch() {
  const Ctx ctx(nullptr, scope_.token());
  while ((co_await SleepFor(ctx, kLook)).ok()) co_await Look();
}

std::string TopologyFile::seen() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

Task<void> TopologyFile::Look() {
  Result<std::string> text = ReadConfigText(path_);
  if (!text.ok() || *text == seen()) co_return;
  // An editor may be in the middle of writing: what stands is applied.
  if (*text != std::exchange(pending_, *text)) co_return;
  const Result<TopologySpec> spec = ReadTopology(*text, path_);
  Status refused = spec.status();
  if (spec.ok()) {
    v1::ApplyTopologyRequest request;
    request.set_yaml(*text);
    const auto begun = co_await topology_.ApplyTopology(SystemCtx(scope_.token()), request);
    if (!begun.ok()) {
      v1::PlanTopologyRequest asked;
      asked.set_yaml(*text);
      const auto plan = co_await topology_.PlanTopology(SystemCtx(scope_.token()), asked);
      if (plan.ok()) co_return;  // a move is under way: this one comes after it
    }
    refused = begun.status();
  }
  {
    std::lock_guard lock(mutex_);
    seen_ = *text;
  }
  if (!refused.ok())
    Log(LogLevel::kError, "the topology's file has changed and is not followed",
        {{"file", path_}, {"reason", refused.ToString()}});
}

}  // namespace tessera
