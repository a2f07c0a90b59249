#pragma once
// The Topology contract: wanted against actual, one move at a time, and what has died comes back.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "control/deployment.h"
#include "control/move_record.h"
#include "control/mover.h"
#include "control/passed_descriptors.h"
#include "control/topology_follower.h"
#include "control/topology_store.h"
#include "logs/log_collector.h"
#include "monitoring/platform_figures.h"
#include "runtime/channel.h"
#include "runtime/scope.h"
#include "runtime/thread_pool.h"
#include "tessera/v1/topology.tessera.h"

namespace tessera {

/// What else a process does while another one takes its place.
struct Handing {
  /// Of the old one: what the new one is to read changes no more until `settled`.
  std::function<Task<void>()> hold;
  /// `successor` null: it was called off.
  std::function<void(PlatformProcessPtr successor)> settled;
  /// Of the new one: from now on it lives without the old one.
  std::function<void()> cut_loose;
  /// Of the new one: who follows the topology from then on; null: nobody.
  TopologyFollower* follower = nullptr;
};

/// A process of the platform, as people call it.
struct NamedProcess {
  std::string name, group;
  PlatformProcessPtr process;
};

/// Runs in the process with the edge. Thread-safe. Life: make, Start, calls, Stop, destroy.
class LocalTopology final : public Topology {
 public:
  /// `root`: this process, as the others call it.
  LocalTopology(Supervisor::Options options, IoLoops& loops, TopologyStore store,
                PlatformProcessPtr root);
  ~LocalTopology() override;
  /// Before Start and TakeOver.
  void SetHanding(Handing handing) { handing_ = std::move(handing); }

  /// Brings up `wanted`, or what was reached last, or everything in one process. Returns when all
  /// of it serves.
  Task<Status> Start(Ctx ctx, std::optional<TopologySpec> wanted);
  /// Instead of Start: goes on where the predecessor was, with `passed`, what its Supervisor passed
  /// on. OK: the wanted topology is committed, and what is left of the move is done in the
  /// background; else nothing was done, and the process is of no use.
  Task<Status> TakeOver(Ctx ctx, v1::ControlState state, std::vector<PassedDescriptors> passed);
  /// False before the first move of the gateway's process, and when it is over: then nobody needs
  /// this process's edge.
  bool handed_over() const { return handed_over_.load(); }
  /// Returns when a predecessor has finished what it began, or when ctx ends.
  Task<Status> AwaitPredecessor(Ctx ctx);

  /// From the return on, every process evaluates by these flags, those that start later too.
  /// Before Start: what they start with.
  Task<Status> SetFlags(Ctx ctx, v1::SetFlagsRequest flags);
  /// Who follows the present topology and every one that is reached; null: nobody any more. After
  /// Start. INVALID_ARGUMENT when the present one cannot be followed.
  Task<Status> SetFollower(TopologyFollower* follower);
  /// Of every child process, what it has recorded and not yet handed over; one that does not
  /// answer is left out.
  Task<std::vector<v1::TakeSpansReply>> TakeSpans(Ctx ctx, v1::TakeSpansRequest request);
  /// Records of the log of every child process; one that does not answer is left out.
  Task<std::vector<TakenLogs>> TakeLogs(Ctx ctx, TakeLogsQuestion question);
  /// What every process says of itself now; one that does not answer in time is left out.
  Task<std::vector<FiguresOfProcess>> AskFigures(Ctx ctx);
  /// Those that live, this one among them.
  Task<std::vector<NamedProcess>> Processes();
  /// Ends the children, those first whose services call others.
  Task<Status> Stop(Ctx ctx);

  Task<Result<v1::TopologyStatus>> GetTopology(Ctx ctx, v1::GetTopologyRequest request) override;
  Task<Result<v1::TopologyPlan>> PlanTopology(Ctx ctx, v1::PlanTopologyRequest request) override;
  Task<Result<v1::TopologyMove>> ApplyTopology(Ctx ctx, v1::ApplyTopologyRequest request) override;
  Task<Result<v1::TopologyMove>> RollbackTopology(Ctx ctx,
                                                  v1::RollbackTopologyRequest request) override;
  Task<Result<v1::TopologyMove>> CancelMove(Ctx ctx, v1::GetMoveRequest request) override;
  Task<Result<v1::TopologyMove>> GetMove(Ctx ctx, v1::GetMoveRequest request) override;
  Task<Result<StreamPtr<v1::TopologyMove>>> WatchMove(Ctx ctx, v1::GetMoveRequest request) override;

 private:
  struct Restarts {
    std::uint32_t count = 0;
    std::uint32_t in_a_row = 0;
    SteadyTime next;
  };

  Result<v1::TopologyMove> Begin(TopologySpec wanted);
  Task<void> RunMove(TopologySpec wanted, MoveRecordPtr record);
  Status Commit(const TopologySpec& spec);
  void NameThisProcess() const;
  Task<void> Follow();
  Task<Status> CommitStart(bool known);
  Task<Status> CommitMove(const TopologySpec* wanted, const Mover* mover);
  Task<Status> HandOver(const TopologySpec* wanted, const Mover* mover);
  v1::ControlState Save(const TopologySpec& wanted, const Mover& mover);
  Task<Status> CallOff(PlatformProcessPtr successor, Status why);
  Task<Status> AskAll(Ctx ctx);
  Task<void> FinishMove(v1::ControlState state, std::map<std::string, DeployedClusterPtr> clusters);
  Task<void> HealAsNeeded();
  Task<void> KeepIdentitiesFresh();
  Task<void> Heal();
  Task<void> HealOne(DeployedClusterPtr cluster);
  Task<Status> Mend(DeployedClusterPtr broken);
  bool IsWanted(const DeployedCluster& cluster) const;
  bool Serves(const PlatformProcess& process) const;
  void Bury(const PlatformProcessPtr& process);
  Result<MoveRecordPtr> FindMove(const std::string& id) const;
  Task<void> FillStatus(Ctx ctx, v1::TopologyStatus* status);

  ThreadPool home_;  // one thread: where all below lives
  TopologyStore store_;
  Channel<PlatformProcessPtr> deaths_;
  Supervisor supervisor_;
  Deployment deployment_;
  TopologySpec spec_;
  std::uint64_t revision_ = 0;
  bool changing_ = false;  ///< a move or a repair works on the deployment
  TopologyFollower* follower_ = nullptr;
  bool reached_anew_ = false;  ///< before there was a follower
  Handing handing_;
  std::atomic<bool> handed_over_{false};
  std::atomic<bool> finishing_{false};  ///< the predecessor is still there
  MoveRecordPtr move_;
  std::map<std::string, MoveRecordPtr> moves_;
  std::unique_ptr<CancelSource> cancel_move_;
  std::uint64_t next_move_ = 0;
  std::map<std::string, Restarts> restarts_;  // by process name
  Scope scope_;
};

}  // namespace tessera
