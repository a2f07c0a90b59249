#include "control/topology_plan.h"

#include <algorithm>
#include <utility>

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
  return VersionsOf(spec, service).front().placement;
}

std::vector<PlacedVersion> VersionsOf(const TopologySpec& spec, const std::string& service) {
  std::vector<PlacedVersion> versions;
  for (const auto& [group, weight] : spec.WeightsOf(service)) {
    Placement placement{
        .in_root = group == spec.GroupOf(kGateway), .group = group, .spec = spec.groups.at(group)};
    versions.push_back({.placement = std::move(placement), .weight = weight});
  }
  return versions;
}

namespace {

bool IsScaled(const Placement& from, const Placement& to) {
  return !to.in_root && from.spec.replicas != to.spec.replicas;
}

std::string Text(const std::vector<PlacedVersion>& versions) {
  if (versions.size() == 1) return versions.front().placement.ToString();
  std::string text;
  for (const PlacedVersion& version : versions)
    StrAppend(&text, text.empty() ? "" : ", ", version.weight, " % in ",
              version.placement.ToString());
  return text;
}

bool IsSame(const std::vector<PlacedVersion>& from, const std::vector<PlacedVersion>& to) {
  return std::equal(from.begin(), from.end(), to.begin(), to.end(),
                    [](const PlacedVersion& a, const PlacedVersion& b) {
                      return a.weight == b.weight && a.placement.SameProcessesAs(b.placement) &&
                             !IsScaled(a.placement, b.placement);
                    });
}

// What becomes of the calls of a service; empty when nothing does.
std::string ActionOf(const std::string& service, const std::vector<PlacedVersion>& from,
                     const std::vector<PlacedVersion>& to) {
  if (IsSame(from, to)) return "";
  if (service == kGateway) return "replace";
  if (from.size() > 1 || to.size() > 1) return "share";
  return from.front().placement.SameProcessesAs(to.front().placement) ? "scale" : "move";
}

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
    const std::vector<PlacedVersion> from = VersionsOf(now, service);
    const std::vector<PlacedVersion> to = VersionsOf(wanted, service);
    const std::string action = ActionOf(service, from, to);
    if (action.empty()) continue;
    v1::PlanStep& step = steps.emplace_back();
    step.set_action(action);
    step.set_service(service);
    step.set_group(to.front().placement.group);
    if (action == "replace")
      step.set_text(StrCat("replace ", Text(from), " by ", Text(to)));
    else if (action == "share")
      step.set_text(StrCat("share the calls of ", service, ": ", Text(to), "; now ", Text(from)));
    else
      step.set_text(StrCat(action, " ", service, " from ", Text(from), " to ", Text(to)));
  }
  AddSection("routes", now.routes, wanted.routes, "public routes are answered as the file says",
             steps);
  AddSection("flags", now.flags, wanted.flags, "feature flags that are not there yet are made",
             steps);
  return steps;
}

}  // namespace tessera
