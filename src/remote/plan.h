#pragma once
// Which endpoints take calls now, and which of them takes the next one.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "remote/mesh_config.h"

namespace tessera {

class RemoteEndpoint;

/// One that may be chosen. `in_flight` lives as long as the endpoint.
struct PlanCandidate {
  std::shared_ptr<RemoteEndpoint> endpoint;
  const std::atomic<std::int64_t>* in_flight = nullptr;
  std::uint32_t weight = 1;
  std::uint64_t hash = 0;  ///< of its address
};

/// What a plan is made from.
struct PlanInput {
  PlanCandidate candidate;
  std::uint32_t priority = 0;
  bool works = true;          ///< neither down, unhealthy, ejected nor broken
  bool usable_anyway = true;  ///< in a panic: checks and ejections are not believed
};

/// The working endpoints of the first priority of which enough work; those of all priorities when
/// none has enough; all that are usable at all when too few work anywhere.
std::vector<PlanCandidate> ChooseCandidates(std::vector<PlanInput> inputs,
                                            const BalanceConfig& config, bool* panics);

/// Immutable but for the turn of the round robin; shared by the calls that pick from it.
class Plan {
 public:
  Plan(std::vector<PlanCandidate> candidates, const BalanceConfig& config, SteadyTime valid_until);

  const std::vector<PlanCandidate>& candidates() const { return candidates_; }
  bool empty() const { return candidates_.empty(); }
  /// When it must be made anew, if nothing happens before.
  SteadyTime valid_until() const { return valid_until_; }

  /// A place in candidates(), which are not empty. `key` is used by kHash alone; 0: none.
  std::size_t Pick(std::uint64_t key) const;

 private:
  std::size_t PickWeighted() const;
  std::size_t PickLessBusy() const;
  std::size_t PickByKey(std::uint64_t key) const;

  const std::vector<PlanCandidate> candidates_;
  const Balance policy_;
  const double hash_load_max_;
  const SteadyTime valid_until_;
  bool equal_weights_ = true;
  std::vector<std::uint64_t> cumulative_;  ///< weights
  std::vector<std::uint16_t> turns_;       ///< of the round robin, interleaved by weight
  mutable std::atomic<std::uint64_t> turn_{0};
};

/// Of a key; the same in every process.
std::uint64_t HashOf(std::string_view text);

}  // namespace tessera
