#include "control/topology_plan.h"

#include "base/str.h"

namespace tessera {

bool Placement::SameProcessesAs(const Placement& other) const {
  if (in_root || other.in_root) return in_root == other.in_root;
  return group == other.group && spec.revision == other.spec.revision &&
         spec.binary == other.spec.binary && spec.cpus == other.spec.cpus &&
         spec.faults == other.spec.faults;
}

std::string Placement::ToString() const {
  if (in_root) return StrCat("the gateway's process (", group, ")");
  std::string text = spec.replicas == 1 ? StrCat("the process ", group)
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
  const GroupSpec& root_now = now.groups.at(now.GroupOf(kGateway));
  const GroupSpec& root_wanted = wanted.groups.at(wanted.GroupOf(kGateway));
  if (root_now.revision != root_wanted.revision || root_now.binary != root_wanted.binary ||
      root_now.cpus != root_wanted.cpus) {
    return absl::FailedPreconditionError(
        StrCat("the process of the gateway cannot be replaced while it serves: leave revision, "
               "binary and cpus of the group ",
               wanted.GroupOf(kGateway), " as they are, or restart the platform"));
  }
  std::vector<v1::PlanStep> steps;
  for (const std::string& service : ServicesInOrder()) {
    if (service == kGateway) continue;
    const Placement from = PlacementOf(now, service);
    const Placement to = PlacementOf(wanted, service);
    const bool moves = !from.SameProcessesAs(to);
    if (!moves && (to.in_root || from.spec.replicas == to.spec.replicas)) continue;
    v1::PlanStep& step = steps.emplace_back();
    step.set_action(moves ? "move" : "scale");
    step.set_service(service);
    step.set_group(to.group);
    step.set_text(StrCat(moves ? "move " : "scale ", service, " from ", from.ToString(), " to ",
                         to.ToString()));
  }
  AddSection("routes", now.routes, wanted.routes, "public routes are answered as the file says",
             steps);
  AddSection("flags", now.flags, wanted.flags, "feature flags that are not there yet are made",
             steps);
  return steps;
}

}  // namespace tessera
