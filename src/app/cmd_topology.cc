// `tessera topology`: which services share a process, now and from now on.
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_join.h"
#include "app/admin_client.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/config_file.h"
#include "app/interrupt.h"
#include "app/target.h"
#include "app/terminal.h"
#include "base/str.h"
#include "base/task.h"
#include "control/topology_plan.h"
#include "control/topology_store.h"
#include "edge/proto_json.h"
#include "runtime/timer.h"
#include "tessera/v1/monitoring.pb.h"
#include "tessera/v1/topology.pb.h"

namespace tessera {
namespace {

constexpr std::string_view kApi = "/admin/v1/topology";
constexpr Duration kLook = std::chrono::milliseconds(50);

struct State {
  PlatformTarget target;
  bool json = false;
  std::vector<std::string> file;
};

// Of the topology's routes below kApi.
class TopologyClient {
 public:
  static Result<std::unique_ptr<TopologyClient>> Connect(const PlatformTarget& target,
                                                         CancelToken cancel) {
    TRY(auto admin, AdminClient::Connect(target, cancel));
    return std::make_unique<TopologyClient>(std::move(admin), std::move(cancel));
  }
  TopologyClient(std::unique_ptr<AdminClient> admin, CancelToken cancel)
      : admin_(std::move(admin)), ctx_(SystemCtx(std::move(cancel))) {}

  template <class Reply>
  Result<Reply> Get(std::string_view path) {
    return admin_->Get<Reply>(StrCat(kApi, path));
  }
  template <class Reply, class Request>
  Result<Reply> Post(std::string_view path, const Request& request) {
    return admin_->Post<Reply>(StrCat(kApi, path), request);
  }
  Status Pause() { return SyncWait(SleepFor(ctx_, kLook)); }

  /// What a move would stir up: says so, and hinders nothing.
  void WarnOfPages() {
    const auto firing = admin_->Get<v1::ListAlertsReply>("/admin/v1/alerts?firing=true");
    if (!firing.ok()) return;
    for (const v1::Alert& alert : firing->alerts()) {
      if (alert.level() != v1::ALERT_LEVEL_PAGE) continue;
      std::fprintf(stderr, "warning: %s pages, and a move now would blur why: %s\n",
                   alert.slo().c_str(), alert.text().c_str());
    }
  }

 private:
  const std::unique_ptr<AdminClient> admin_;
  const Ctx ctx_;
};

Result<std::string> ReadTopologyFile(const State& state) {
  if (state.file.empty())
    return WithExitCode(absl::InvalidArgumentError("name the topology's file"), ExitCode::kUsage);
  TRY(std::string text, ReadConfigText(state.file.front()));
  const Result<TopologySpec> spec = ReadTopology(text, state.file.front());
  if (!spec.ok()) return spec.status();
  return text;
}

// "1 refused": whatever the mistake was.
ExitCode Refuse(const Status& status) {
  const ExitCode code = ExitCodeOf(status);
  Fail(status);
  return code == ExitCode::kUsage || code == ExitCode::kUnreachable ||
                 code == ExitCode::kInterrupted
             ? code
             : ExitCode::kFailed;
}

void Print(const google::protobuf::Message& message) {
  std::printf("%s\n", MessageToJson(message).c_str());
}

// Without a server: against what the next one would start with.
Result<v1::TopologyPlan> PlanOffline(const State& state, const std::string& text) {
  const std::string data = state.target.data.empty() ? DefaultDataFolder() : state.target.data;
  TRY(const TopologyStore store, TopologyStore::Open(data));
  TRY(const auto current, store.Current());
  TRY(const TopologySpec wanted, ReadTopology(text, state.file.front()));
  TRY(std::vector<v1::PlanStep> steps, PlanChange(current ? current->spec : OneProcess(), wanted));
  v1::TopologyPlan plan;
  for (v1::PlanStep& step : steps) *plan.add_steps() = std::move(step);
  plan.set_yaml(WriteTopology(wanted));
  return plan;
}

Result<v1::TopologyPlan> Plan(const State& state, CancelToken cancel) {
  TRY(const std::string text, ReadTopologyFile(state));
  auto client = TopologyClient::Connect(state.target, std::move(cancel));
  if (absl::IsNotFound(client.status())) return PlanOffline(state, text);
  if (!client.ok()) return client.status();
  (*client)->WarnOfPages();
  v1::PlanTopologyRequest request;
  request.set_yaml(text);
  return (*client)->Post<v1::TopologyPlan>("/plan", request);
}

ExitCode RunPlan(const State& state) {
  const Interrupt interrupt;
  const Result<v1::TopologyPlan> plan = Plan(state, interrupt.token());
  if (!plan.ok()) return Refuse(plan.status());
  if (state.json) {
    Print(*plan);
    return ExitCode::kOk;
  }
  if (plan->steps().empty()) std::printf("nothing would change\n");
  for (const v1::PlanStep& step : plan->steps()) std::printf("%s\n", step.text().c_str());
  return ExitCode::kOk;
}

bool HasEnded(const v1::TopologyMove& move) {
  return move.state() == v1::MOVE_STATE_MOVED || move.state() == v1::MOVE_STATE_ROLLED_BACK;
}

ExitCode Follow(TopologyClient& client, Result<v1::TopologyMove> move, bool json) {
  int said = 0;
  while (true) {
    if (!move.ok()) return Refuse(move.status());
    for (; !json && said < move->events_size(); ++said)
      std::fprintf(stderr, "%s\n", move->events(said).text().c_str());
    if (HasEnded(*move)) break;
    const Status paused = client.Pause();
    if (!paused.ok()) return Fail(paused);
    move = client.Get<v1::TopologyMove>(StrCat("/moves/", move->id()));
  }
  if (json) Print(*move);
  const bool moved = move->state() == v1::MOVE_STATE_MOVED;
  if (!json) std::printf("%s\n", moved ? "moved" : StrCat("rolled back: ", move->reason()).c_str());
  return moved ? ExitCode::kOk : ExitCode::kRolledBack;
}

ExitCode RunApply(const State& state) {
  const Interrupt interrupt;
  const Result<std::string> text = ReadTopologyFile(state);
  if (!text.ok()) return Refuse(text.status());
  auto client = TopologyClient::Connect(state.target, interrupt.token());
  if (!client.ok()) return Refuse(client.status());
  (*client)->WarnOfPages();
  v1::ApplyTopologyRequest request;
  request.set_yaml(*text);
  return Follow(**client, (*client)->Post<v1::TopologyMove>("/apply", request), state.json);
}

ExitCode RunRollback(const State& state) {
  const Interrupt interrupt;
  auto client = TopologyClient::Connect(state.target, interrupt.token());
  if (!client.ok()) return Refuse(client.status());
  return Follow(**client,
                (*client)->Post<v1::TopologyMove>("/rollback", v1::RollbackTopologyRequest()),
                state.json);
}

std::string StateName(v1::InstanceState state) {
  return ShortName(*v1::InstanceState_descriptor()->FindValueByNumber(state));
}

// Of the services whose calls go to more than one version.
void PrintShares(const v1::TopologyStatus& status) {
  std::map<std::string, std::vector<const v1::ClusterView*>> by_service;
  for (const v1::ClusterView& cluster : status.clusters())
    by_service[cluster.service()].push_back(&cluster);
  for (const auto& [service, clusters] : by_service) {
    if (clusters.size() < 2) continue;
    std::printf("\ncalls of %s\n", service.c_str());
    for (const v1::ClusterView* cluster : clusters) {
      std::printf(
          "  %3u %% %-20s %llu calls, %llu failed, p50 %.1f ms, p99 %.1f ms\n", cluster->weight(),
          cluster->group().c_str(), static_cast<unsigned long long>(cluster->calls()),
          static_cast<unsigned long long>(cluster->faults()), cluster->p50_ms(), cluster->p99_ms());
    }
  }
}

void PrintStatus(const v1::TopologyStatus& status) {
  std::printf("revision %llu\n", static_cast<unsigned long long>(status.revision()));
  for (const v1::GroupView& group : status.groups()) {
    std::printf("\n%s", group.name().c_str());
    if (!group.versions().empty())
      std::printf(", version %s", absl::StrJoin(group.versions(), " and ").c_str());
    std::printf("\n");
    for (const v1::ProcessStatus& process : group.processes()) {
      std::printf("  %-20s pid %-8u %-10s %10s  %s\n", process.name().c_str(), process.pid(),
                  process.state().c_str(), HumanBytes(process.memory_bytes()).c_str(),
                  process.version().c_str());
      for (const v1::ServiceInstance& instance : process.instances()) {
        std::printf("    %-18s %-10s %lld calls inside\n", instance.service().c_str(),
                    StateName(instance.state()).c_str(),
                    static_cast<long long>(instance.in_flight()));
      }
    }
  }
  PrintShares(status);
  if (status.has_move() && !HasEnded(status.move()))
    std::printf("\nmove %s: %s\n", status.move().id().c_str(), status.move().step().c_str());
}

ExitCode RunStatus(const State& state) {
  const Interrupt interrupt;
  auto client = TopologyClient::Connect(state.target, interrupt.token());
  if (!client.ok()) return Refuse(client.status());
  const auto status = (*client)->Get<v1::TopologyStatus>("");
  if (!status.ok()) return Refuse(status.status());
  if (state.json) {
    Print(*status);
  } else {
    PrintStatus(*status);
  }
  return ExitCode::kOk;
}

Command SubCommand(std::string name, std::string summary, bool has_file, Example example,
                   ExitCode (*run)(const State&)) {
  auto state = std::make_shared<State>();
  Command command;
  command.name = std::move(name);
  command.summary = std::move(summary);
  if (has_file) {
    command.arguments = {{.name = "FILE",
                          .doc = "The topology (docs/topology.md); - is standard input.",
                          .target = &state->file,
                          .completion = Completion::kFile}};
  }
  AddServerOptions(state->target, command.options);
  command.options.push_back(
      {.name = "--json", .doc = "Prints the answer as JSON.", .target = &state->json});
  command.examples = {std::move(example)};
  command.run = [state, run] { return run(*state); };
  return command;
}

}  // namespace

Command TopologyCommand() {
  Command command;
  command.name = "topology";
  command.summary = "which services share a process: shows it, and changes it while they serve";
  command.details =
      "\"apply\" returns when the move has ended: 0, moved; 3, rolled back, because the new "
      "instances failed, were slower or did not start; 1, refused, and why.";
  command.commands = {
      SubCommand("plan", "says what applying a topology would do", true,
                 {"tessera topology plan deploy/topologies/three.yaml", "its steps"}, RunPlan),
      SubCommand("apply", "moves services until the topology is as the file says", true,
                 {"tessera topology apply deploy/topologies/each.yaml",
                  "each service into a process of its own"},
                 RunApply),
      SubCommand("status", "shows groups, processes and what runs in them", false,
                 {"tessera topology status --json", "for scripts"}, RunStatus),
      SubCommand("rollback", "moves back to the topology before this one", false,
                 {"tessera topology rollback", "undoes the last apply"}, RunRollback)};
  return command;
}

}  // namespace tessera
