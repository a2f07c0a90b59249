#include "control/call_views.h"

#include "control/side_figures.h"

namespace tessera {
namespace {

void AddMethods(const google::protobuf::RepeatedPtrField<v1::MethodFigures>& methods,
                MethodSide* to) {
  v1::ClusterFigures figures;
  *figures.mutable_methods() = methods;
  SideFigures by_method;
  AddFigures(figures, by_method);
  for (const auto& [method, side] : by_method) {
    to->calls += side.calls;
    to->faults += side.faults;
    for (std::size_t i = 0; i < side.buckets.size(); ++i) to->buckets[i] += side.buckets[i];
  }
}

template <class View>
void Show(const MethodSide& side, View* view) {
  view->set_calls(side.calls);
  view->set_faults(side.faults);
  view->set_p50_ms(side.Quantile(0.5) * 1e3);
  view->set_p99_ms(side.Quantile(0.99) * 1e3);
}

bool IsThere(const std::string& service, const v1::GroupStatus& told,
             const PlatformProcess& process) {
  if (service == kGateway) return process.placement.in_root;
  for (const v1::ServiceInstance& instance : told.instances()) {
    if (instance.service() == service) return true;
  }
  return false;
}

}  // namespace

void AddEdges(const v1::GroupStatus& told, const PlatformProcess& process, const std::string& name,
              v1::TopologyStatus* status) {
  for (const v1::CallerFigures& caller : told.callers()) {
    if (!IsThere(caller.from(), told, process)) continue;
    MethodSide side;
    AddMethods(caller.methods(), &side);
    v1::EdgeView& edge = *status->add_edges();
    edge.set_from(caller.from());
    edge.set_service(caller.service());
    edge.set_process(name);
    Show(side, &edge);
    for (const std::uint64_t bucket : side.buckets) edge.add_buckets(bucket);
  }
}

void AddClusters(const Deployment& deployment, const std::string& root_group,
                 const std::vector<v1::GroupStatus>& told, v1::TopologyStatus* status) {
  for (const auto& [service, clusters] : deployment.routes()) {
    for (const auto& [cluster, weight] : clusters) {
      v1::ClusterView& view = *status->add_clusters();
      view.set_name(cluster->name);
      view.set_service(service);
      view.set_group(cluster->placement.in_root ? root_group : cluster->placement.group);
      view.set_weight(weight);
      MethodSide side;
      std::int64_t in_flight = 0;
      for (const v1::GroupStatus& one : told) {
        for (const v1::ClusterFigures& figures : one.clusters()) {
          if (figures.cluster() != cluster->name) continue;
          AddMethods(figures.methods(), &side);
          in_flight += figures.in_flight();
        }
      }
      view.set_in_flight(in_flight);
      Show(side, &view);
    }
  }
}

}  // namespace tessera
