#include "services/orchestration/control_steps.h"

#include <algorithm>

#include "runtime/timer.h"
#include "runtime/when_all.h"
#include "telemetry/trace.h"

namespace tessera {

Task<Status> SequenceStep::Execute(Ctx ctx, Run* run) const {
  for (const Named& named : steps_) {
    CO_TRY(ctx.Check());
    Ctx inner = ctx;
    SpanScope span(inner, named.name);
    Status status = co_await named.step->Execute(std::move(inner), run);
    span.End(status);
    if (!status.ok()) co_return status;
  }
  co_return absl::OkStatus();
}

Task<Status> ParallelStep::Execute(Ctx ctx, Run* run) const {
  std::vector<Run> strands(branches_.size(), run->Fork());
  std::vector<Task<Status>> tasks;
  for (std::size_t i = 0; i < branches_.size(); ++i) {
    tasks.push_back(branches_[i]->Execute(ctx, &strands[i]));
  }
  for (const Status& status : co_await WhenAll(std::move(tasks))) {
    CO_TRY(Status(status));
  }
  for (const Run& strand : strands) run->variables.Merge(strand.variables);
  co_return absl::OkStatus();
}

Task<Status> SwitchStep::Execute(Ctx ctx, Run* run) const {
  for (const Case& option : cases_) {
    if (option.when && !option.when->Holds(run->variables)) continue;
    co_return co_await option.steps->Execute(std::move(ctx), run);
  }
  co_return absl::OkStatus();
}

void MapStep::Options::Describe(Fields<Options>& f) {
  f.Required("over", &Options::over, "Variable with the list.");
  f.Optional("as", &Options::as, "Variable that holds the item.");
  f.Required("collect", &Options::collect, "Variable that the steps set for each item.");
  f.Required("into", &Options::into, "Variable that gets the list of what was collected.");
  f.Optional("parallel", &Options::parallel, "Items worked on at once.", 1u, 64u);
}

Task<Status> MapStep::Execute(Ctx ctx, Run* run) const {
  const std::vector<std::string> items = ToTexts(run->variables.Get(options_.over));
  std::vector<std::string> collected(items.size());
  for (std::size_t first = 0; first < items.size(); first += options_.parallel) {
    CO_TRY(ctx.Check());
    const std::size_t count = std::min<std::size_t>(options_.parallel, items.size() - first);
    std::vector<Run> strands(count, run->Fork());
    std::vector<Task<Status>> tasks;
    for (std::size_t i = 0; i < count; ++i) {
      strands[i].variables.Set(options_.as, items[first + i]);
      tasks.push_back(steps_->Execute(ctx, &strands[i]));
    }
    for (const Status& status : co_await WhenAll(std::move(tasks))) {
      CO_TRY(Status(status));
    }
    for (std::size_t i = 0; i < count; ++i) {
      collected[first + i] = ToText(strands[i].variables.Get(options_.collect));
    }
  }
  run->variables.Set(options_.into, std::move(collected));
  co_return absl::OkStatus();
}

void EachStep::Options::Describe(Fields<Options>& f) {
  f.Required("over", &Options::over, "Variable with the list.");
  f.Optional("as", &Options::as, "Variable that holds the item.");
}

Task<Status> EachStep::Execute(Ctx ctx, Run* run) const {
  const std::vector<std::string> items = ToTexts(run->variables.Get(options_.over));
  for (const std::string& item : items) {
    CO_TRY(ctx.Check());
    run->variables.Set(options_.as, item);
    CO_TRY(co_await steps_->Execute(ctx, run));
  }
  co_return absl::OkStatus();
}

void RetryStep::Options::Describe(Fields<Options>& f) {
  f.Optional("times", &Options::times, "Tries after the first one.", 1u, 10u);
  f.Optional("pause", &Options::pause, "Before the first new try; doubled before each other.",
             std::chrono::milliseconds(1), std::chrono::milliseconds(60'000));
}

Task<Status> RetryStep::Execute(Ctx ctx, Run* run) const {
  std::chrono::milliseconds pause = options_.pause;
  for (std::uint32_t left = options_.times;; --left, pause *= 2) {
    const std::uint32_t sent = run->shared->answer_code_points;
    Status status = co_await steps_->Execute(ctx, run);
    const bool transient = status.code() == absl::StatusCode::kUnavailable ||
                           status.code() == absl::StatusCode::kResourceExhausted;
    if (!transient || left == 0 || run->shared->answer_code_points != sent) co_return status;
    CO_TRY(co_await SleepFor(ctx, pause));
  }
}

void TimeoutStep::Options::Describe(Fields<Options>& f) {
  f.Required("after", &Options::after, "Longest time that the steps may take together.",
             std::chrono::milliseconds(1), std::chrono::milliseconds(3'600'000));
}

Task<Status> TimeoutStep::Execute(Ctx ctx, Run* run) const {
  return steps_->Execute(ctx.WithTimeout(options_.after), run);
}

Task<Status> FallbackStep::Execute(Ctx ctx, Run* run) const {
  const std::uint32_t sent = run->shared->answer_code_points;
  Status status = co_await steps_->Execute(ctx, run);
  if (status.ok() || !ctx.Check().ok() || run->shared->answer_code_points != sent) co_return status;
  run->variables.Set("error", std::string(StdView(status.message())));
  co_return co_await otherwise_->Execute(std::move(ctx), run);
}

}  // namespace tessera
