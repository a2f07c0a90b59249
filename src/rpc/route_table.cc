#include "rpc/route_table.h"

#include <algorithm>
#include <deque>

#include "base/ids.h"

namespace tessera {
namespace {
std::atomic<std::uint32_t> next_table_id{0};
}  // namespace

RouteTable::RouteTable()
    : table_id_(next_table_id.fetch_add(1)), table_(std::make_shared<const Table>()) {}

RouteTable::~RouteTable() = default;

RouteTable::RouteId RouteTable::Find(std::string_view contract) {
  std::lock_guard lock(mutex_);
  const auto found = std::find(contracts_.begin(), contracts_.end(), contract);
  if (found != contracts_.end()) return static_cast<RouteId>(found - contracts_.begin());
  contracts_.emplace_back(contract);
  auto table = std::make_shared<Table>(*table_);
  table->emplace_back();
  table_ = std::move(table);
  generation_.fetch_add(1, std::memory_order_seq_cst);
  return static_cast<RouteId>(contracts_.size() - 1);
}

void RouteTable::Set(RouteId route, std::vector<WeightedInstance> instances) {
  std::lock_guard lock(mutex_);
  auto table = std::make_shared<Table>(*table_);
  RouteEntry& entry = table->at(route);
  entry.instances = std::move(instances);
  entry.weight_sum = 0;
  for (const WeightedInstance& instance : entry.instances) entry.weight_sum += instance.weight;
  table_ = std::move(table);
  generation_.fetch_add(1, std::memory_order_seq_cst);
}

std::vector<WeightedInstance> RouteTable::Get(RouteId route) const {
  std::lock_guard lock(mutex_);
  return table_->at(route).instances;
}

Task<Status> RouteTable::Replace(Ctx ctx, RouteId route, InstancePtr next) {
  std::vector<WeightedInstance> only_next;
  only_next.push_back(WeightedInstance{std::move(next), 1});
  return SetAndDrain(std::move(ctx), route, std::move(only_next));
}

Task<Status> RouteTable::Clear(Ctx ctx, RouteId route) {
  return SetAndDrain(std::move(ctx), route, {});
}

Task<Status> RouteTable::SetAndDrain(Ctx ctx, RouteId route, std::vector<WeightedInstance> next) {
  const std::vector<WeightedInstance> old = Get(route);
  Set(route, std::move(next));
  for (const WeightedInstance& instance : old) {
    CO_TRY(co_await instance.instance->in_flight().WaitUntilEmpty(ctx));
    instance.instance->Stop();
  }
  co_return absl::OkStatus();
}

RouteTable::Snapshot& RouteTable::ThreadSnapshot() {
  thread_local std::deque<Snapshot> snapshots;
  if (snapshots.size() <= table_id_) [[unlikely]]
    snapshots.resize(table_id_ + 1);
  return snapshots[table_id_];
}

void RouteTable::Refresh(Snapshot& snapshot) {
  std::lock_guard lock(mutex_);
  snapshot.table = table_;
  snapshot.generation = generation_.load(std::memory_order_relaxed);
}

Instance* RouteTable::Pick(const RouteEntry& entry) {
  if (entry.instances.size() == 1) [[likely]]
    return entry.instances.front().instance.get();
  if (entry.weight_sum == 0) return nullptr;
  std::uint64_t ticket = RandomId() % entry.weight_sum;
  for (const WeightedInstance& instance : entry.instances) {
    if (ticket < instance.weight) return instance.instance.get();
    ticket -= instance.weight;
  }
  return nullptr;
}

Lease RouteTable::Enter(RouteId route) {
  return EnterPausing(route, [] {});
}

}  // namespace tessera
