#include "control/topology_spec.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/str.h"
#include "config/read.h"
#include "config/units.h"

namespace tessera {
namespace {

constexpr std::size_t kGroupsMax = 64;
constexpr std::uint32_t kReplicasMax = 64;

// One instance each: the gateway has the listening sockets, retrieval and dataprep write to files.
bool MayHaveReplicas(std::string_view service) {
  return service == "inference" || service == "orchestration";
}

std::string Text(std::chrono::nanoseconds time) { return FormatDuration(time.count()); }

// What is written between quotes must not end them.
bool IsPlain(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
  });
}

std::string QuotedList(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) StrAppend(&out, out.empty() ? "\"" : ", \"", word, "\"");
  return out;
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// The gateway's process is called by no other but in its other services.
Status CheckFaults(const std::string& name, const GroupSpec& group) {
  TRY(FaultRules().Set(group.faults));
  const bool plain =
      std::all_of(group.faults.begin(), group.faults.end(), [](const FaultRule& rule) {
        return IsPlain(rule.method) && IsPlain(rule.header) && IsPlain(rule.header_value);
      });
  const auto& services = group.services;
  const bool has_gateway = std::find(services.begin(), services.end(), kGateway) != services.end();
  if (plain && (group.faults.empty() || !has_gateway)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("groups.", name, ".faults: ",
             plain ? "the gateway's process has none; give them to another group"
                   : "no quotes, backslashes or control characters in its words"));
}

Status CheckGroup(const std::string& name, const GroupSpec& group) {
  const auto& all = ServicesInOrder();
  if (!IsName(name))
    return absl::InvalidArgumentError(
        StrCat("groups.", name, ": a group's name is of a-z, 0-9 and \"-\", 40 at most"));
  if (name == "root")
    return absl::InvalidArgumentError(
        "groups.root: this name means the first process; choose another");
  if (group.services.empty())
    return absl::InvalidArgumentError(
        StrCat("groups.", name, ".services: a group has at least one service"));
  if (!IsPlain(group.revision) || !IsPlain(group.binary))
    return absl::InvalidArgumentError(
        StrCat("groups.", name, ": no quotes, backslashes or control characters in its words"));
  TRY(CheckFaults(name, group));
  for (const std::string& service : group.services) {
    if (std::find(all.begin(), all.end(), service) == all.end()) {
      return absl::InvalidArgumentError(StrCat("groups.", name, ".services: there is no service \"",
                                               service, "\"; there are ",
                                               absl::StrJoin(all, ", ")));
    }
    if (std::count(group.services.begin(), group.services.end(), service) > 1)
      return absl::InvalidArgumentError(
          StrCat("groups.", name, ".services: ", service, " stands there twice"));
    if (group.replicas > 1 && !MayHaveReplicas(service))
      return absl::InvalidArgumentError(
          StrCat("groups.", name, ".replicas: ", service,
                 " keeps state in files and runs once; put it into a group of its own"));
  }
  return absl::OkStatus();
}

// A service in several groups has as many versions, and somebody must have said who gets what.
Status CheckVersions(const TopologySpec& spec, const std::string& service,
                     const std::set<std::string>& groups) {
  const auto found = spec.versions.find(service);
  if (found == spec.versions.end()) {
    if (groups.size() == 1) return absl::OkStatus();
    return absl::InvalidArgumentError(StrCat(
        "groups: ", service, " is in several (", absl::StrJoin(groups, ", "), "); give it one",
        MayHaveReplicas(service) ? StrCat(", or a part of its calls to each: versions: {", service,
                                          ": {", *groups.begin(), ": 90, …}}")
                                 : std::string()));
  }
  const std::string place = StrCat("versions.", service, ": ");
  if (service == kGateway)
    return absl::InvalidArgumentError(
        StrCat(place,
               "the gateway has the listening sockets and runs once; a new version takes its place "
               "by the revision or binary of its group"));
  if (!MayHaveReplicas(service))
    return absl::InvalidArgumentError(
        StrCat(place, service,
               " keeps state in files, and only one may write them; it has one "
               "version at a time"));
  std::uint64_t sum = 0;
  for (const auto& [group, weight] : found->second) {
    if (!groups.contains(group))
      return absl::InvalidArgumentError(StrCat(place, service, " is not in the group ", group,
                                               "; it is in ", absl::StrJoin(groups, ", ")));
    sum += weight;
  }
  for (const std::string& group : groups) {
    if (!found->second.contains(group))
      return absl::InvalidArgumentError(
          StrCat(place, "the group ", group, " has it too; say what part of the calls it gets"));
  }
  if (sum != 100)
    return absl::InvalidArgumentError(
        StrCat(place, "the weights are percent and make 100; these make ", sum));
  return absl::OkStatus();
}

Status CheckTopology(const TopologySpec& spec) {
  std::map<std::string, std::set<std::string>> seen;
  for (const auto& [name, group] : spec.groups) {
    TRY(CheckGroup(name, group));
    for (const std::string& service : group.services) seen[service].insert(name);
  }
  for (const std::string& name : spec.revoked.groups) {
    if (spec.groups.contains(name))
      return absl::InvalidArgumentError(
          StrCat("revoked.groups: ", name, " is in use; give its services another group first"));
  }
  for (const std::string& service : ServicesInOrder()) {
    if (!seen.contains(service))
      return absl::InvalidArgumentError(
          StrCat("groups: ", service, " is in no group; every service needs one"));
    TRY(CheckVersions(spec, service, seen[service]));
  }
  for (const auto& [service, weights] : spec.versions) {
    if (!seen.contains(service))
      return absl::InvalidArgumentError(StrCat("versions: there is no service \"", service,
                                               "\"; there are ",
                                               absl::StrJoin(ServicesInOrder(), ", ")));
  }
  return absl::OkStatus();
}

void WriteFaults(const std::vector<FaultRule>& faults, std::string& out) {
  if (!faults.empty()) StrAppend(&out, "    faults:\n");
  for (const FaultRule& rule : faults) {
    StrAppend(&out, "      - {method: \"", rule.method, "\", header: \"", rule.header,
              "\", header_value: \"", rule.header_value, "\", delay_percent: ", rule.delay_percent,
              ", delay: ", Text(rule.delay), ", abort_percent: ", rule.abort_percent,
              ", abort_code: ", rule.abort_code, "}\n");
  }
}

// Takes a section out that others read.
void TakeList(YamlNode& map, std::string_view key, YamlNodePtr* section,
              std::vector<Problem>& problems) {
  const auto found = std::find_if(map.entries.begin(), map.entries.end(),
                                  [key](const YamlNode::Entry& entry) { return entry.key == key; });
  if (found == map.entries.end()) return;
  if (found->value->kind == YamlNode::Kind::kList)
    *section = found->value;
  else
    problems.push_back({found->mark, std::string(key), "expected a list"});
  map.entries.erase(found);
}

Status CheckMove(const MoveSpec& move) {
  if (move.steps.empty() || move.steps.back() != 100 ||
      !std::is_sorted(move.steps.begin(), move.steps.end()))
    return absl::InvalidArgumentError("steps: percentages that grow, the last one 100");
  return absl::OkStatus();
}

}  // namespace

void GroupSpec::Describe(Fields<GroupSpec>& f) {
  f.Required("services", &GroupSpec::services, "Services that share a process.", 1u, 16u);
  f.Optional("replicas", &GroupSpec::replicas, "Processes of this group.", 1u, kReplicasMax);
  f.Optional("revision", &GroupSpec::revision,
             "Any word; another one replaces the group's processes by new ones.", 0u, 64u);
  f.Optional("binary", &GroupSpec::binary,
             "The program that the processes run. Empty: the platform's own.", 0u, 4096u);
  f.Optional("cpus", &GroupSpec::cpus, "Processors that a process may use; 0: all.", 0u, 1024u);
  f.Optional("faults", &GroupSpec::faults,
             "Faults on purpose, for tests and drills: calls to its processes that are delayed or "
             "aborted.",
             0u, 16u);
}

void RevokedSpec::Describe(Fields<RevokedSpec>& f) {
  f.Optional("groups", &RevokedSpec::groups,
             "Groups of earlier topologies whose processes may call nothing any more.", 0u, 1000u);
  f.Optional("certificates", &RevokedSpec::certificates,
             "Serial numbers of certificates that are believed no more, in hexadecimal.", 0u,
             10'000u);
  f.Check([](const RevokedSpec& revoked) -> Status {
    for (const auto* words : {&revoked.groups, &revoked.certificates}) {
      for (const std::string& word : *words) {
        if (!IsName(word))
          return absl::InvalidArgumentError(StrCat("\"", word, "\" is none: a-z, 0-9 and \"-\""));
      }
    }
    return absl::OkStatus();
  });
}

void MoveSpec::Describe(Fields<MoveSpec>& f) {
  f.Optional("steps", &MoveSpec::steps,
             "Percent of the calls that go to the new instances, step by step.", 1u, 50u);
  f.Optional("step_time", &MoveSpec::step_time, "How long each step is watched.",
             std::chrono::milliseconds(10), std::chrono::hours(24));
  f.Optional("samples_min", &MoveSpec::samples_min,
             "Calls of a method on each side before the sides are compared.", 1u, 1'000'000u);
  f.Optional("errors_max", &MoveSpec::errors_max,
             "Percent of the new side's calls that may fail, above those of the old side.", 0.0,
             100.0);
  f.Optional("p50_max", &MoveSpec::p50_max,
             "Times that the median of a method may be the old side's.", 1.0, 1000.0);
  f.Optional("p99_max", &MoveSpec::p99_max,
             "Times that the 99th percentile of a method may be the old side's.", 1.0, 1000.0);
  f.Optional("slack", &MoveSpec::slack, "A method that is slower by less than this is not slower.",
             std::chrono::milliseconds(0), std::chrono::seconds(60));
  f.Optional("start_timeout", &MoveSpec::start_timeout,
             "Until a process has started and its services have loaded.", std::chrono::seconds(1),
             std::chrono::hours(1));
  f.Optional("drain_timeout", &MoveSpec::drain_timeout,
             "Until calls that began on an old instance are cut.", std::chrono::seconds(1),
             std::chrono::hours(24));
  f.Check(CheckMove);
}

void TopologySpec::Describe(Fields<TopologySpec>& f) {
  f.Required("groups", &TopologySpec::groups, "Which services share a process.", 1u, kGroupsMax);
  f.Optional("versions", &TopologySpec::versions,
             "Percent of the calls of a service that is in several groups, by group.", 0u, 16u);
  f.Optional("revoked", &TopologySpec::revoked, "Identities that are believed no more.");
  f.Optional("move", &TopologySpec::move, "How calls go over to new instances.");
  f.Check(CheckTopology);
}

const std::string& TopologySpec::GroupOf(std::string_view service) const {
  for (const auto& [name, group] : groups) {
    for (const std::string& one : group.services) {
      if (one == service) return name;
    }
  }
  CHECK(false);  // CheckTopology has seen that each is in one
}

VersionWeights TopologySpec::WeightsOf(const std::string& service) const {
  const auto found = versions.find(service);
  return found != versions.end() ? found->second : VersionWeights{{GroupOf(service), 100}};
}

const std::vector<std::string>& ServicesInOrder() {
  static const std::vector<std::string> services = {"retrieval", "inference", "orchestration",
                                                    "dataprep", "gateway"};
  return services;
}

Result<TopologySpec> ReadTopology(std::string_view text, std::string_view file) {
  std::vector<Problem> problems;
  TopologySpec spec;
  if (const YamlNodePtr root = ParseYaml(text, problems)) {
    YamlNode processes = *root;
    TakeList(processes, "routes", &spec.routes, problems);
    TakeList(processes, "flags", &spec.flags, problems);
    ReadStruct(processes, SpecOf<TopologySpec>(), "", &spec, problems);
  }
  if (!problems.empty()) return absl::InvalidArgumentError(FormatProblems(file, problems));
  return spec;
}

TopologySpec OneProcess() {
  TopologySpec spec;
  spec.groups["all"].services = {"gateway", "orchestration", "inference", "retrieval", "dataprep"};
  return spec;
}

std::string WriteTopology(const TopologySpec& spec) {
  std::string out = "groups:\n";
  for (const auto& [name, group] : spec.groups) {
    StrAppend(&out, "  ", name, ":\n    services: [", absl::StrJoin(group.services, ", "), "]\n");
    if (group.replicas != 1) StrAppend(&out, "    replicas: ", group.replicas, "\n");
    if (!group.revision.empty()) StrAppend(&out, "    revision: \"", group.revision, "\"\n");
    if (!group.binary.empty()) StrAppend(&out, "    binary: \"", group.binary, "\"\n");
    if (group.cpus != 0) StrAppend(&out, "    cpus: ", group.cpus, "\n");
    WriteFaults(group.faults, out);
  }
  if (!spec.versions.empty()) StrAppend(&out, "versions:\n");
  for (const auto& [service, weights] : spec.versions) {
    const char* comma = "";
    StrAppend(&out, "  ", service, ": {");
    for (const auto& [group, weight] : weights)
      StrAppend(&out, std::exchange(comma, ", "), group, ": ", weight);
    StrAppend(&out, "}\n");
  }
  const RevokedSpec& revoked = spec.revoked;
  if (!revoked.groups.empty() || !revoked.certificates.empty())
    StrAppend(&out, "revoked:\n  groups: [", absl::StrJoin(revoked.groups, ", "),
              "]\n  certificates: [", QuotedList(revoked.certificates), "]\n");
  if (spec.routes) StrAppend(&out, "routes: ", YamlLine(*spec.routes), "\n");
  if (spec.flags) StrAppend(&out, "flags: ", YamlLine(*spec.flags), "\n");
  const MoveSpec& move = spec.move;
  StrAppend(&out, "move:\n  steps: [", absl::StrJoin(move.steps, ", "),
            "]\n  step_time: ", Text(move.step_time), "\n  samples_min: ", move.samples_min,
            "\n  errors_max: ", move.errors_max, "\n  p50_max: ", move.p50_max,
            "\n  p99_max: ", move.p99_max, "\n  slack: ", Text(move.slack),
            "\n  start_timeout: ", Text(move.start_timeout),
            "\n  drain_timeout: ", Text(move.drain_timeout), "\n");
  return out;
}

}  // namespace tessera
