#pragma once
// topology.yaml: which services share a process, how often, and how one such picture becomes
// another.

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "config/fields.h"
#include "config/yaml.h"
#include "remote/fault_rules.h"

namespace tessera {

/// Services that share a process. The group that has the gateway is the process that was started;
/// the others are its children.
struct GroupSpec {
  std::vector<std::string> services;
  std::uint32_t replicas = 1;
  std::string revision;    ///< another one is another process: changing it replaces the group
  std::string binary;      ///< the program that the processes run; empty: the platform's own
  std::uint32_t cpus = 0;  ///< processors that a process may use; 0: all
  std::vector<FaultRule> faults;  ///< on purpose, of calls to its processes: for tests and drills
  static void Describe(Fields<GroupSpec>& f);
};

/// How calls go over from old instances to new ones, and what stops that.
struct MoveSpec {
  std::vector<std::uint32_t> steps = {0, 10, 50, 100};  ///< percent of the calls to the new ones
  std::chrono::milliseconds step_time = std::chrono::milliseconds(500);
  std::uint32_t samples_min = 30;  ///< calls of a method on each side, before they are compared
  double errors_max = 1.0;         ///< percent of the calls, above those of the old side
  double p50_max = 2.0;            ///< times the old side's
  double p99_max = 3.0;
  std::chrono::milliseconds slack = std::chrono::milliseconds(5);  ///< slower by less is no reason
  std::chrono::seconds start_timeout = std::chrono::seconds(60);
  std::chrono::seconds drain_timeout = std::chrono::minutes(10);
  static void Describe(Fields<MoveSpec>& f);
};

/// Identities that the platform issued and believes no more.
struct RevokedSpec {
  std::vector<std::string> groups;
  std::vector<std::string> certificates;  ///< serial numbers, lower-case hexadecimal
  static void Describe(Fields<RevokedSpec>& f);
};

/// Percent of a service's calls by the group that answers them.
using VersionWeights = std::map<std::string, std::uint32_t>;

struct TopologySpec {
  std::map<std::string, GroupSpec> groups;
  std::map<std::string, VersionWeights> versions;  ///< of services that are in several groups
  RevokedSpec revoked;
  MoveSpec move;
  /// Sections as they were written, for whoever follows them (TopologyFollower); null: none.
  YamlNodePtr
      routes;  ///< who answers public routes, as section `facades` of the configuration has it
  YamlNodePtr flags;  ///< feature flags that there are at first
  static void Describe(Fields<TopologySpec>& f);

  /// The group that a service is in; of one with several versions, the first by name.
  const std::string& GroupOf(std::string_view service) const;
  /// The groups that it is in, with their parts of its calls; 100 percent in all.
  VersionWeights WeightsOf(const std::string& service) const;
};

/// The service that is always in the process that was started: the edge.
inline constexpr std::string_view kGateway = "gateway";
/// All services, each after those that it calls.
const std::vector<std::string>& ServicesInOrder();

/// INVALID_ARGUMENT lists every mistake: a service in no group, or in two without weights, one that
/// cannot have replicas or versions, a name that is none.
Result<TopologySpec> ReadTopology(std::string_view text, std::string_view file);
/// All services in one group called "all".
TopologySpec OneProcess();
/// As text that ReadTopology reads.
std::string WriteTopology(const TopologySpec& spec);

}  // namespace tessera
