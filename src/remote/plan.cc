#include "remote/plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/ids.h"

namespace tessera {
namespace {

constexpr std::uint64_t kTurnsMax = 1024;  // of a round robin's cycle

std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// Below `bound`; its bias is far below anything that matters here.
std::uint64_t RandomBelow(std::uint64_t bound) {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(RandomId()) * bound) >> 64);
}

// Smooth weighted round robin (as nginx has it): the turns of a heavy endpoint lie apart.
std::vector<std::uint16_t> Interleave(const std::vector<PlanCandidate>& candidates) {
  std::vector<std::uint64_t> weights;
  std::uint64_t divisor = 0;
  std::uint64_t total = 0;
  for (const PlanCandidate& candidate : candidates) {
    weights.push_back(std::max<std::uint32_t>(candidate.weight, 1));
    divisor = std::gcd(divisor, weights.back());
    total += weights.back();
  }
  divisor = std::max<std::uint64_t>(divisor, 1);
  divisor = std::max(divisor, (total + kTurnsMax - 1) / kTurnsMax);
  std::int64_t sum = 0;
  for (std::uint64_t& weight : weights) {
    weight = std::max<std::uint64_t>(weight / divisor, 1);
    sum += static_cast<std::int64_t>(weight);
  }
  std::vector<std::int64_t> credit(weights.size(), 0);
  std::vector<std::uint16_t> turns;
  for (std::int64_t turn = 0; turn < sum; ++turn) {
    std::size_t best = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      credit[i] += static_cast<std::int64_t>(weights[i]);
      if (credit[i] > credit[best]) best = i;
    }
    credit[best] -= sum;
    turns.push_back(static_cast<std::uint16_t>(best));
  }
  return turns;
}

}  // namespace

// FNV-1a, mixed: keys are short, and their hashes are compared between processes.
std::uint64_t HashOf(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return std::max<std::uint64_t>(Mix(hash), 1);
}

std::vector<PlanCandidate> ChooseCandidates(std::vector<PlanInput> inputs,
                                            const BalanceConfig& config, bool* panics) {
  struct Tier {
    double total = 0, working = 0;
  };
  std::map<std::uint32_t, Tier> tiers;
  double working = 0;
  for (const PlanInput& input : inputs) {
    Tier& tier = tiers[input.priority];
    ++tier.total;
    if (!input.works) continue;
    ++tier.working;
    ++working;
  }
  *panics = false;
  std::uint32_t chosen = 0;
  bool one_tier = false;
  for (const auto& [priority, tier] : tiers) {
    if (tier.working == 0 || tier.working < config.failover_below * tier.total) continue;
    chosen = priority;
    one_tier = true;
    break;
  }
  if (!one_tier) *panics = working < config.panic_below * static_cast<double>(inputs.size());
  std::vector<PlanCandidate> candidates;
  for (PlanInput& input : inputs) {
    const bool take = one_tier ? input.works && input.priority == chosen
                               : input.works || (*panics && input.usable_anyway);
    if (take) candidates.push_back(std::move(input.candidate));
  }
  return candidates;
}

Plan::Plan(std::vector<PlanCandidate> candidates, const BalanceConfig& config,
           SteadyTime valid_until)
    : candidates_(std::move(candidates)),
      policy_(config.policy),
      hash_load_max_(config.hash_load_max),
      valid_until_(valid_until) {
  std::uint64_t total = 0;
  for (const PlanCandidate& candidate : candidates_) {
    equal_weights_ = equal_weights_ && candidate.weight == candidates_.front().weight;
    total += std::max<std::uint32_t>(candidate.weight, 1);
    cumulative_.push_back(total);
  }
  if (policy_ == Balance::kRoundRobin) {
    turns_ = Interleave(candidates_);
    turn_ = RandomId();  // callers do not all begin with the same one
  }
}

std::size_t Plan::Pick(std::uint64_t key) const {
  if (candidates_.size() == 1) return 0;
  switch (policy_) {
    case Balance::kRoundRobin:
      return turns_[turn_.fetch_add(1, std::memory_order_relaxed) % turns_.size()];
    case Balance::kHash:
      return key != 0 ? PickByKey(key) : PickLessBusy();
    case Balance::kLeastInFlight:
      break;
  }
  return PickLessBusy();
}

std::size_t Plan::PickWeighted() const {
  if (equal_weights_) return RandomBelow(candidates_.size());
  const std::uint64_t at = RandomBelow(cumulative_.back());
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), at);
  return static_cast<std::size_t>(found - cumulative_.begin());
}

// Power of two choices (Mitzenmacher 2001). Both are drawn by weight; the first wins a tie, so that
// the weights hold when all are idle too.
std::size_t Plan::PickLessBusy() const {
  const std::size_t a = PickWeighted();
  std::size_t b = PickWeighted();
  if (a == b) {
    if (!equal_weights_) return a;
    b = (a + 1) % candidates_.size();
  }
  const auto load = [this](std::size_t i) {
    return static_cast<double>(candidates_[i].in_flight->load(std::memory_order_relaxed)) /
           std::max<std::uint32_t>(candidates_[i].weight, 1);
  };
  return load(b) < load(a) ? b : a;
}

// Weighted rendezvous hashing (Thaler and Ravishankar 1998): each endpoint gives the key a score;
// when one goes, only its own keys move.
std::size_t Plan::PickByKey(std::uint64_t key) const {
  double busy_above = -1;
  if (hash_load_max_ > 0) {
    double in_flight = 1;
    for (const PlanCandidate& candidate : candidates_) {
      in_flight += static_cast<double>(candidate.in_flight->load(std::memory_order_relaxed));
    }
    busy_above =
        std::max(1.0, hash_load_max_ * in_flight / static_cast<double>(cumulative_.back()));
  }
  std::size_t best = 0;
  double best_score = -1;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const PlanCandidate& candidate = candidates_[i];
    const double weight = std::max<std::uint32_t>(candidate.weight, 1);
    const std::uint64_t mixed = Mix(candidate.hash ^ (key * 0x9e3779b97f4a7c15ULL));
    const double unit = (static_cast<double>(mixed >> 11) + 0.5) * 0x1.0p-53;
    double score = weight / -std::log(unit);
    if (busy_above >= 0 && static_cast<double>(candidate.in_flight->load(
                               std::memory_order_relaxed)) >= busy_above * weight) {
      score *= 1e-9;  // after all that are not
    }
    if (score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

}  // namespace tessera
