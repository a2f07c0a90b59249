#pragma once
// Steps that hold steps: sequence, parallel, switch, map, each, retry, timeout, fallback.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/fields.h"
#include "services/orchestration/condition.h"
#include "services/orchestration/step.h"

namespace tessera {

/// One after the other.
class SequenceStep final : public Step {
 public:
  struct Named {
    std::string_view name;  ///< "step retrieve"; lives as long as the process
    StepPtr step;
  };
  explicit SequenceStep(std::vector<Named> steps) : steps_(std::move(steps)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const std::vector<Named> steps_;
};

/// Branches side by side, each with its own variables; afterwards what they set is merged in the
/// order of the branches.
class ParallelStep final : public Step {
 public:
  explicit ParallelStep(std::vector<StepPtr> branches) : branches_(std::move(branches)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const std::vector<StepPtr> branches_;
};

/// The first case whose condition holds; a case without one always does.
class SwitchStep final : public Step {
 public:
  struct Case {
    std::optional<Condition> when;
    StepPtr steps;
  };
  explicit SwitchStep(std::vector<Case> cases) : cases_(std::move(cases)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const std::vector<Case> cases_;
};

/// The steps for every item of a list, up to `parallel` at once, each with its own variables; the
/// values of `collect` become the list `into`, in the order of the items.
class MapStep final : public Step {
 public:
  struct Options {
    std::string over;
    std::string as = "item";
    std::string collect;
    std::string into;
    std::uint32_t parallel = 4;
    static void Describe(Fields<Options>& f);
  };
  MapStep(Options options, StepPtr steps)
      : options_(std::move(options)), steps_(std::move(steps)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
  const StepPtr steps_;
};

/// The steps for every item of a list, one after the other, with the same variables: a fold.
class EachStep final : public Step {
 public:
  struct Options {
    std::string over;
    std::string as = "item";
    static void Describe(Fields<Options>& f);
  };
  EachStep(Options options, StepPtr steps)
      : options_(std::move(options)), steps_(std::move(steps)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
  const StepPtr steps_;
};

/// Tries again after UNAVAILABLE or RESOURCE_EXHAUSTED, as long as nothing was sent to the client,
/// with a growing pause.
class RetryStep final : public Step {
 public:
  struct Options {
    std::uint32_t times = 2;
    std::chrono::milliseconds pause{100};
    static void Describe(Fields<Options>& f);
  };
  RetryStep(Options options, StepPtr steps) : options_(options), steps_(std::move(steps)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
  const StepPtr steps_;
};

/// DEADLINE_EXCEEDED when the steps take longer.
class TimeoutStep final : public Step {
 public:
  struct Options {
    std::chrono::milliseconds after{30'000};
    static void Describe(Fields<Options>& f);
  };
  TimeoutStep(Options options, StepPtr steps) : options_(options), steps_(std::move(steps)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
  const StepPtr steps_;
};

/// Where the steps fail, and the client has been sent nothing and still waits, the other steps.
class FallbackStep final : public Step {
 public:
  FallbackStep(StepPtr steps, StepPtr otherwise)
      : steps_(std::move(steps)), otherwise_(std::move(otherwise)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const StepPtr steps_;
  const StepPtr otherwise_;
};

}  // namespace tessera
