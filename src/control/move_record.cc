#include "control/move_record.h"

#include <utility>

#include "base/clock.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr int kEventsMax = 500;

bool HasEnded(const v1::TopologyMove& move) {
  return move.state() == v1::MOVE_STATE_MOVED || move.state() == v1::MOVE_STATE_ROLLED_BACK;
}

}  // namespace

class MoveRecord::Changes final : public Stream<v1::TopologyMove> {
 public:
  explicit Changes(std::shared_ptr<MoveRecord> record) : record_(std::move(record)) {}
  Task<Result<std::optional<v1::TopologyMove>>> Next(Ctx ctx) override {
    if (over_) co_return std::nullopt;
    while (true) {
      Waiter waiter(ctx);
      {
        std::lock_guard lock(record_->mutex_);
        if (record_->version_ != seen_) {
          seen_ = record_->version_;
          if (record_->elsewhere_) co_return std::nullopt;
          over_ = HasEnded(record_->move_);
          co_return std::optional<v1::TopologyMove>(record_->move_);
        }
        record_->waiting_.push_back(waiter.handle());
      }
      CO_TRY(co_await waiter);
    }
  }

 private:
  const std::shared_ptr<MoveRecord> record_;
  std::uint64_t seen_ = 0;
  bool over_ = false;
};

MoveRecord::MoveRecord(std::string id, std::vector<v1::PlanStep> plan) {
  move_.set_id(std::move(id));
  move_.set_state(v1::MOVE_STATE_STARTING);
  move_.set_started_ms(WallMillis());
  for (v1::PlanStep& step : plan) *move_.add_plan() = std::move(step);
}

v1::TopologyMove MoveRecord::Get() const {
  std::lock_guard lock(mutex_);
  return move_;
}

bool MoveRecord::ended() const {
  std::lock_guard lock(mutex_);
  return HasEnded(move_);
}

void MoveRecord::Change(const std::function<void(v1::TopologyMove&)>& change) {
  std::vector<WaiterHandle> waiting;
  {
    std::lock_guard lock(mutex_);
    change(move_);
    ++version_;
    waiting.swap(waiting_);
  }
  for (const WaiterHandle& waiter : waiting) waiter.Complete(absl::OkStatus());
}

void MoveRecord::Enter(v1::MoveState state) {
  Change([&](v1::TopologyMove& move) { move.set_state(state); });
}

void MoveRecord::Say(const std::string& text) {
  Change([&](v1::TopologyMove& move) {
    move.set_step(text);
    if (move.events_size() >= kEventsMax) return;
    v1::MoveEvent& event = *move.add_events();
    event.set_at_ms(WallMillis());
    event.set_text(text);
  });
  Log(LogLevel::kInfo, "a move goes on", {{"move", Get().id()}, {"step", text}});
}

void MoveRecord::GoElsewhere() {
  Change([this](v1::TopologyMove&) { elsewhere_ = true; });
}

void MoveRecord::StepDone() {
  Change([](v1::TopologyMove& move) { move.set_steps_done(move.steps_done() + 1); });
}

void MoveRecord::End(v1::MoveState state, const std::string& reason) {
  Change([&](v1::TopologyMove& move) {
    move.set_state(state);
    move.set_reason(reason);
    move.set_ended_ms(WallMillis());
    move.set_step(state == v1::MOVE_STATE_MOVED ? "moved" : "rolled back");
  });
  Log(LogLevel::kInfo, "a move ended", {{"move", Get().id()}, {"reason", reason}});
}

StreamPtr<v1::TopologyMove> MoveRecord::Watch() {
  return std::make_unique<Changes>(shared_from_this());
}

}  // namespace tessera
