#include <algorithm>
#include <map>

#include "remote/cluster_state.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {

// Of a cluster, in the order of their addresses: more would make the metrics too large.
constexpr std::size_t kEndpointsShown = 64;

void Merge(ClusterSnapshot from, ClusterSnapshot& to) {
  to.name = from.name;
  to.retries += from.retries;
  to.hedges += from.hedges;
  to.hedges_won += from.hedges_won;
  to.refused += from.refused;
  to.waiting += from.waiting;
  for (ClusterSnapshot::Endpoint& endpoint : from.endpoints) {
    const auto known = std::find_if(
        to.endpoints.begin(), to.endpoints.end(),
        [&endpoint](const auto& other) { return other.at.address == endpoint.at.address; });
    if (known == to.endpoints.end()) {
      to.endpoints.push_back(std::move(endpoint));
      continue;
    }
    known->in_flight += endpoint.in_flight;
    known->calls += endpoint.calls;
    known->failures += endpoint.failures;
    known->ejections += endpoint.ejections;
    known->breaker_opened += endpoint.breaker_opened;
  }
}

/// The clusters of the process, while they live.
class LiveClusters {
 public:
  static LiveClusters& Process() {
    static LiveClusters* const clusters = new LiveClusters;  // tidy: lives as long as the process
    return *clusters;
  }
  void Add(const std::shared_ptr<ClusterState>& state) {
    std::lock_guard lock(mutex_);
    std::erase_if(states_, [](const auto& weak) { return weak.expired(); });
    states_.push_back(state);
  }
  std::vector<ClusterSnapshot> Snapshots() {
    std::vector<std::shared_ptr<ClusterState>> alive;
    {
      std::lock_guard lock(mutex_);
      for (const auto& weak : states_) {
        if (auto state = weak.lock()) alive.push_back(std::move(state));
      }
    }
    // Those of the same name are one to whoever reads the metrics.
    std::map<std::string, ClusterSnapshot> merged;
    for (const auto& state : alive) {
      if (!state->closed) Merge(state->Snapshot(), merged[state->config.name]);
    }
    std::vector<ClusterSnapshot> snapshots;
    for (auto& [name, snapshot] : merged) snapshots.push_back(std::move(snapshot));
    return snapshots;
  }

 private:
  LiveClusters() {
    Metrics::Process().AddWriter([this](std::string& out) { Write(out); });
  }
  void Write(std::string& out);

  std::mutex mutex_;
  std::vector<std::weak_ptr<ClusterState>> states_;
};

template <class Value>
void WriteClusters(std::string& out, const std::vector<ClusterSnapshot>& clusters,
                   std::string_view name, std::string_view type, std::string_view help,
                   Value value) {
  StrAppend(&out, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
  for (const ClusterSnapshot& cluster : clusters) {
    StrAppend(&out, name, PrometheusLabels({{"cluster", cluster.name}}), " ", value(cluster), "\n");
  }
}

template <class Value>
void WriteEndpoints(std::string& out, const std::vector<ClusterSnapshot>& clusters,
                    std::string_view name, std::string_view type, std::string_view help,
                    Value value) {
  StrAppend(&out, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
  for (const ClusterSnapshot& cluster : clusters) {
    for (std::size_t i = 0; i < std::min(cluster.endpoints.size(), kEndpointsShown); ++i) {
      const auto& endpoint = cluster.endpoints[i];
      StrAppend(&out, name,
                PrometheusLabels({{"cluster", cluster.name}, {"endpoint", endpoint.at.address}}),
                " ", value(endpoint), "\n");
    }
  }
}

void LiveClusters::Write(std::string& out) {
  const std::vector<ClusterSnapshot> all = Snapshots();
  if (all.empty()) return;
  using E = ClusterSnapshot::Endpoint;
  using C = ClusterSnapshot;
  WriteEndpoints(out, all, "tessera_mesh_calls_total", "counter", "Calls sent to an endpoint.",
                 [](const E& e) { return e.calls; });
  WriteEndpoints(out, all, "tessera_mesh_failures_total", "counter",
                 "Calls that failed for the endpoint's fault.",
                 [](const E& e) { return e.failures; });
  WriteEndpoints(out, all, "tessera_mesh_in_flight", "gauge", "Calls at an endpoint now.",
                 [](const E& e) { return e.in_flight; });
  WriteEndpoints(out, all, "tessera_mesh_ejections_total", "counter",
                 "How often an endpoint was ejected.", [](const E& e) { return e.ejections; });
  WriteEndpoints(out, all, "tessera_mesh_breaker_opened_total", "counter",
                 "How often an endpoint's breaker opened.",
                 [](const E& e) { return e.breaker_opened; });
  WriteEndpoints(out, all, "tessera_mesh_up", "gauge", "1 while an endpoint is given calls.",
                 [](const E& e) { return e.takes_calls() ? 1 : 0; });
  WriteClusters(out, all, "tessera_mesh_retries_total", "counter", "Calls sent again.",
                [](const C& c) { return c.retries; });
  WriteClusters(out, all, "tessera_mesh_hedges_total", "counter", "Calls sent twice.",
                [](const C& c) { return c.hedges; });
  WriteClusters(out, all, "tessera_mesh_hedges_won_total", "counter",
                "Calls whose second attempt answered first.",
                [](const C& c) { return c.hedges_won; });
  WriteClusters(out, all, "tessera_mesh_refused_total", "counter",
                "Calls that no endpoint could take.", [](const C& c) { return c.refused; });
  WriteClusters(out, all, "tessera_mesh_waiting", "gauge", "Calls that wait for an endpoint.",
                [](const C& c) { return c.waiting; });
}

}  // namespace

void AddToMetrics(const std::shared_ptr<ClusterState>& state) {
  LiveClusters::Process().Add(state);
}

}  // namespace tessera
