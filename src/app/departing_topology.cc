#include "app/departing_topology.h"

#include <chrono>
#include <optional>
#include <string>

#include "runtime/timer.h"

namespace tessera {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(100);

class Changes final : public Stream<v1::TopologyMove> {
 public:
  Changes(std::shared_ptr<Topology> there, v1::GetMoveRequest request,
          std::function<bool()> leaving)
      : there_(std::move(there)), request_(std::move(request)), leaving_(std::move(leaving)) {}

  Task<Result<std::optional<v1::TopologyMove>>> Next(Ctx ctx) override {
    while (!over_) {
      CO_TRY(v1::TopologyMove move, co_await there_->GetMove(ctx, request_));
      std::string text = move.SerializeAsString();
      if (text != told_) {
        told_ = std::move(text);
        over_ = move.state() == v1::MOVE_STATE_MOVED || move.state() == v1::MOVE_STATE_ROLLED_BACK;
        co_return std::optional<v1::TopologyMove>(std::move(move));
      }
      if (leaving_()) break;
      CO_TRY(co_await SleepFor(ctx, kLook));
    }
    co_return std::nullopt;
  }

 private:
  const std::shared_ptr<Topology> there_;
  const v1::GetMoveRequest request_;
  const std::function<bool()> leaving_;
  std::string told_;
  bool over_ = false;
};

}  // namespace

Task<Result<StreamPtr<v1::TopologyMove>>> DepartingTopology::WatchMove(Ctx,
                                                                       v1::GetMoveRequest request) {
  StreamPtr<v1::TopologyMove> changes =
      std::make_unique<Changes>(there_, std::move(request), leaving_);
  co_return changes;
}

}  // namespace tessera
