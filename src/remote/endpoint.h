#pragma once
// One address of a cluster: its connection, its load and what is known of its health. Only for
// remote's own .cc files.

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "remote/breaker.h"
#include "remote/channel.h"
#include "remote/mesh_endpoint.h"
#include "remote/outlier.h"
#include "runtime/waiter.h"

namespace tessera {

/// How a call that an endpoint had taken ended.
enum class Outcome {
  kGood,       ///< answered, be it with an error that is the caller's fault
  kFault,      ///< the server failed, or was too slow
  kBusy,       ///< the server says that it has too much to do
  kLost,       ///< its connection was lost
  kUnreached,  ///< it could not be connected to
  kNeutral,    ///< the caller went away, or it was refused by a server that drains
};

class RemoteEndpoint {
 public:
  RemoteEndpoint(MeshEndpoint named, RemoteChannelConfig config,
                 const BreakerConfig& breaker_config, IoLoops& loops)
      : address(named.address),
        at(std::move(named)),
        channel(ChannelTo(at, std::move(config)), loops),
        breaker(breaker_config),
        calls_max(breaker_config.calls_max),
        probes_max(breaker_config.probes) {}

  // From any thread.

  const std::string address;  ///< for spans; `at` has it too

  /// Takes a place for a call; false when there is none. `probe`: the breaker is half open.
  bool Enter(bool* probe);
  void Leave(bool probe);

  std::atomic<std::int64_t> in_flight{0};
  std::atomic<int> faults_in_a_row{0};
  std::atomic<std::uint64_t> good{0}, bad{0};  ///< of the running outlier period
  std::atomic<std::uint64_t> calls{0}, failures{0};
  std::atomic<bool> removed{false};

  // Under the cluster's lock.

  MeshEndpoint at;
  RemoteChannel channel;  ///< but this from any thread
  CircuitBreaker breaker;
  Ejection ejection;
  bool down = false;        ///< could not be connected to
  bool unhealthy = false;   ///< says its own health service
  int down_checks = 0;      ///< failed since it is down
  int checks_in_a_row = 0;  ///< good ones above zero, failed ones below
  bool ejected_lately = false;
  std::optional<WaiterHandle> tend_wake;

  /// Completed when it is removed and its last call has ended.
  Task<Status> Drained(Ctx ctx);

 private:
  static RemoteChannelConfig ChannelTo(const MeshEndpoint& at, RemoteChannelConfig config) {
    config.address = at.address;
    if (!at.peer.empty()) config.expected_peer = at.peer;
    return config;
  }

  const std::int64_t calls_max;
  const int probes_max;
  std::atomic<int> probing_{0};
  std::mutex drain_mutex_;
  std::optional<WaiterHandle> drained_;
};

}  // namespace tessera
