#include "control/topology_plan.h"

#include "base/str.h"

namespace tessera {

bool Placement::SameProcessesAs(const Placement& other) const {
  if (in_root != other.in_root) return false;
  // The gateway's group may change its name: its process is the one with the edge.
  return (in_root || group == other.group) && spec.revision == other.spec.revision &&
         spec.binary == other.spec.binary && spec.cpus == other.spec.cpus &&
         spec.faults == other.spec.faults;
}

std::string Placement::ToString() const {
  std::string text = in_root              ? StrCat("the gateway's process (", group, ")")
                     : spec.replicas == 1 ? StrCat("the process ", group)
                                          : StrCat(spec.replicas, " processes ", group);
  if (!spec.revision.empty()) StrAppend(&text, " of revision ", spec.revision);
  return text;
}

Placement PlacementOf(const TopologySpec& spec, const std::string& service) {
  const std::string& group = spec.GroupOf(service);
  return Placement{
      .in_root = group == spec.GroupOf(kGateway), .group = group, .spec = spec.groups.at(group)};
}

namespace {

void AddSection(const char* name, const YamlNodePtr& now, const YamlNodePtr& wanted,
                const char* text, std::vector<v1::PlanStep>& steps) {
  if ((now ? YamlLine(*now) : "") == (wanted ? YamlLine(*wanted) : "")) return;
  v1::PlanStep& step = steps.emplace_back();
  step.set_action(name);
  step.set_text(text);
}

}  // namespace

Result<std::vector<v1::PlanStep>> PlanChange(const TopologySpec& now, const TopologySpec& wanted) {
  std::vector<v1::PlanStep> steps;
  for (const std::string& service : ServicesInOrder()) {
    const Placement from = PlacementOf(now, service);
    const Placement to = PlacementOf(wanted, service);
    const bool moves = !from.SameProcessesAs(to);
    if (!moves && (to.in_root || from.spec.replicas == to.spec.replicas)) continue;
    v1::PlanStep& step = steps.emplace_back();
    const std::string action = service == kGateway ? "replace" : moves ? "move" : "scale";
    step.set_action(action);
    step.set_service(service);
    step.set_group(to.group);
    step.set_text(service == kGateway ? StrCat("replace ", from.ToString(), " by ", to.ToString())
                                      : StrCat(action, " ", service, " from ", from.ToString(),
                                               " to ", to.ToString()));
  }
  AddSection("routes", now.routes, wanted.routes, "public routes are answered as the file says",
             steps);
  AddSection("flags", now.flags, wanted.flags, "feature flags that are not there yet are made",
             steps);
  return steps;
}

}  // namespace tessera
