#pragma once
// What is told of a move while it runs and after.

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/stream.h"
#include "runtime/waiter.h"
#include "tessera/v1/topology.pb.h"

namespace tessera {

/// Thread-safe.
class MoveRecord : public std::enable_shared_from_this<MoveRecord> {
 public:
  MoveRecord(std::string id, std::vector<v1::PlanStep> plan);
  /// As another process had it.
  explicit MoveRecord(v1::TopologyMove move) : move_(std::move(move)) {}

  v1::TopologyMove Get() const;
  bool ended() const;
  void Enter(v1::MoveState state);
  /// What it does now; also written to the log.
  void Say(const std::string& text);
  void StepDone();
  /// Ends it: moved, or rolled back for this reason.
  void End(v1::MoveState state, const std::string& reason);

  /// Another process goes on with it: whoever watches it here is to watch it there.
  void GoElsewhere();

  /// It now and after every change, until it has ended or has gone elsewhere.
  StreamPtr<v1::TopologyMove> Watch();

 private:
  class Changes;
  void Change(const std::function<void(v1::TopologyMove&)>& change);

  mutable std::mutex mutex_;
  v1::TopologyMove move_;
  bool elsewhere_ = false;
  std::uint64_t version_ = 1;
  std::vector<WaiterHandle> waiting_;
};
using MoveRecordPtr = std::shared_ptr<MoveRecord>;

}  // namespace tessera
