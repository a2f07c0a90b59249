#pragma once
// Servers of the toy service that do as a test says, and a cluster over them.

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "remote/cluster.h"
#include "remote/remote_toy.h"
#include "runtime/waiter.h"
#include "runtime/when_all.h"

namespace tessera {

/// Waits for what another thread does; at most twenty seconds.
template <class Condition>
bool Eventually(Condition condition) {
  const SteadyTime end = Now() + std::chrono::seconds(20);
  while (!condition()) {
    if (Now() > end) return false;
    const Status slept = SyncWait(SleepFor(Ctx(), std::chrono::milliseconds(1)));
  }
  return true;
}

/// Answers with its number, or as it is told.
class NodeToy final : public UnimplementedToy {
 public:
  explicit NodeToy(std::uint64_t number) : number_(number) {}

  Task<Result<toy::AddReply>> Add(Ctx ctx, toy::AddRequest request) override {
    ++adds;
    return Reply(std::move(ctx), std::move(request));
  }
  Task<Result<toy::AddReply>> Ping(Ctx ctx, toy::AddRequest request) override {
    ++pings;
    return Reply(std::move(ctx), std::move(request));
  }
  Task<Result<StreamPtr<toy::TellItem>>> Tell(Ctx ctx, toy::TellRequest request) override {
    ++tells;
    const Status status = co_await Meet(ctx);
    if (!status.ok()) co_return status;
    StreamPtr<toy::TellItem> items = std::make_unique<Items>(*this, request.count());
    co_return items;
  }

  /// The next calls fail so; OK: they do not.
  void FailWith(Status status) {
    std::lock_guard lock(mutex_);
    fails_ = std::move(status);
  }
  /// Calls wait until Release(), or until they are cancelled.
  void Hold() { held_ = true; }
  void Release() {
    std::lock_guard lock(mutex_);
    held_ = false;
    for (const WaiterHandle& waiter : std::exchange(waiting_, {})) {
      waiter.Complete(absl::OkStatus());
    }
  }

  std::atomic<int> adds{0}, pings{0}, tells{0}, waiting{0}, cancelled{0}, items_held{0};
  std::atomic<std::uint32_t> hold_from{UINT32_MAX};  ///< streams wait at this item for Release()

 private:
  class Items final : public Stream<toy::TellItem> {
   public:
    Items(NodeToy& node, std::uint32_t count) : node_(node), count_(count) {}
    Task<Result<std::optional<toy::TellItem>>> Next(Ctx ctx) override {
      if (next_ >= node_.hold_from) {
        ++node_.items_held;
        CO_TRY(co_await node_.WaitForRelease(ctx));
      }
      if (next_ == count_) co_return std::nullopt;
      toy::TellItem item;
      item.set_number(next_++);
      item.set_instance(node_.number_);
      co_return item;
    }

   private:
    NodeToy& node_;
    const std::uint32_t count_;
    std::uint32_t next_ = 0;
  };

  Task<Status> WaitForRelease(Ctx ctx) {
    Waiter waiter(ctx);
    {
      std::lock_guard lock(mutex_);
      waiting_.push_back(waiter.handle());
    }
    ++waiting;
    const Status released = co_await waiter;
    --waiting;
    if (!released.ok()) ++cancelled;
    co_return released;
  }
  Task<Status> Meet(Ctx ctx) {
    if (held_) CO_TRY(co_await WaitForRelease(std::move(ctx)));
    std::lock_guard lock(mutex_);
    co_return fails_;
  }
  Task<Result<toy::AddReply>> Reply(Ctx ctx, toy::AddRequest request) {
    CO_TRY(co_await Meet(std::move(ctx)));
    toy::AddReply reply;
    reply.set_id(request.id());
    reply.set_instance(number_);
    co_return reply;
  }

  const std::uint64_t number_;
  std::mutex mutex_;
  Status fails_;
  std::atomic<bool> held_{false};
  std::vector<WaiterHandle> waiting_;
};

/// One server at one Unix socket, started and stopped at will.
class MeshNode {
 public:
  MeshNode(std::uint64_t number, std::string path, IoLoops& loops, Executor& cpu)
      : toy(number),
        address(StrCat("unix:", path)),
        path_(std::move(path)),
        loops_(loops),
        cpu_(cpu) {}
  ~MeshNode() {
    toy.Release();
    Stop(std::chrono::seconds(20));
    ::unlink(path_.c_str());
  }
  void Start() {
    config.listeners = {{.address = address, .trusts_identity = true}, {.address = "127.0.0.1:0"}};
    server = std::make_unique<RemoteServer>(config, loops_, cpu_);
    server->Serve(Bind(static_cast<Toy&>(toy)));
    const Status started = server->Start();
    ASSERT_TRUE(started.ok()) << started;
  }
  /// Zero cuts the connections at once.
  void Stop(Duration grace) {
    if (!server) return;
    const Status drained = SyncWait(server->Drain(Ctx().WithTimeout(grace)));
    server.reset();
  }
  void Kill() { Stop(Duration::zero()); }

  NodeToy toy;
  const std::string address;
  RemoteServerConfig config;
  std::unique_ptr<RemoteServer> server;

 private:
  const std::string path_;
  IoLoops& loops_;
  Executor& cpu_;
};

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): googletest derives from it
class MeshTest : public ::testing::Test {
 protected:
  MeshTest() {
    // No check comes between, unless a test asks for them; ejections do not end by themselves.
    config_.name = "toy";
    config_.policy.health.every = std::chrono::hours(1);
    config_.policy.outlier.eject_for = std::chrono::minutes(5);
    config_.policy.breaker.failed_part = 0;
    config_.policy.retry.backoff = std::chrono::milliseconds(1);
    config_.channel.send_identity = true;
  }
  ~MeshTest() override {
    StopCluster();
    nodes_.clear();
  }

  void StartNodes(int count) {
    for (int i = 0; i < count; ++i) AddNode().Start();
  }
  MeshNode& AddNode() {
    static std::atomic<int> number{0};
    const std::string path = StrCat("/tmp/tessera_mesh_", ::getpid(), "_", ++number, ".sock");
    nodes_.push_back(std::make_unique<MeshNode>(nodes_.size(), path, server_loops_, cpu_));
    return *nodes_.back();
  }
  MeshNode& node(std::size_t i) { return *nodes_[i]; }
  /// All nodes, of one priority.
  std::vector<MeshEndpoint> All() {
    std::vector<MeshEndpoint> all;
    for (const auto& node : nodes_) all.push_back({.address = node->address});
    return all;
  }
  void StartCluster() { StartCluster(All()); }
  void StartCluster(std::vector<MeshEndpoint> endpoints) {
    config_.endpoints = std::move(endpoints);
    cluster_.emplace(config_, client_loops_);
    remote_.emplace(*cluster_);
  }
  void StopCluster() {
    if (cluster_) EXPECT_TRUE(SyncWait(cluster_->Close()).ok());
    remote_.reset();
    cluster_.reset();
  }
  static Ctx Brief() { return SystemCtx().WithTimeout(std::chrono::seconds(20)); }
  Result<toy::AddReply> Ping(std::string text = "") {
    return SyncWait(remote_->Ping(Brief(), Request(std::move(text))));
  }
  Result<toy::AddReply> Add(std::string text = "") {
    return SyncWait(remote_->Add(Brief(), Request(std::move(text))));
  }
  static toy::AddRequest Request(std::string text) {
    toy::AddRequest request;
    request.set_text(std::move(text));
    return request;
  }
  /// Of the endpoint of node `i`.
  ClusterSnapshot::Endpoint At(std::size_t i) {
    for (const auto& endpoint : cluster_->Snapshot().endpoints) {
      if (endpoint.at.address == node(i).address) return endpoint;
    }
    return {};
  }

  IoLoops server_loops_{2};
  IoLoops client_loops_{2};
  ThreadPool cpu_{"cpu", 1};
  std::vector<std::unique_ptr<MeshNode>> nodes_;
  ClusterConfig config_;
  std::optional<Cluster> cluster_;
  std::optional<ToyRemote> remote_;
};

}  // namespace tessera
