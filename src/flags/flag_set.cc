#include "flags/flag_set.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace tessera {
namespace {

// The last step of SplitMix64 (Steele, Lea, Flood 2014): every bit depends on every other.
std::uint64_t Mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

bool Among(std::string_view value, const std::vector<std::string>& list) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool HoldsAny(std::span<const std::string> held, const std::vector<std::string>& wanted) {
  return std::any_of(held.begin(), held.end(), [&](const std::string& scope) {
    return scope == "*" || Among(scope, wanted);
  });
}

bool HasHeader(const FlagSubject& subject, std::string_view name, std::string_view value) {
  for (const auto& [held, text] : subject.headers) {
    if (held == name) return text == value;
  }
  for (std::string_view scope : subject.scopes) {
    if (!scope.starts_with(kHeaderScope)) continue;
    scope.remove_prefix(kHeaderScope.size());
    if (scope.size() == name.size() + 1 + value.size() && scope.starts_with(name) &&
        scope[name.size()] == '=' && scope.ends_with(value))
      return true;
  }
  return false;
}

}  // namespace

std::string_view Name(FlagReason reason) {
  static constexpr std::string_view kNames[] = {"STATIC", "DEFAULT",  "TARGETING_MATCH",
                                                "SPLIT",  "DISABLED", "ERROR"};
  return kNames[static_cast<std::size_t>(reason)];
}

std::string_view Name(FlagError error) {
  static constexpr std::string_view kNames[] = {"",
                                                "FLAG_NOT_FOUND",
                                                "TYPE_MISMATCH",
                                                "PARSE_ERROR",
                                                "TARGETING_KEY_MISSING",
                                                "INVALID_CONTEXT",
                                                "GENERAL"};
  return kNames[static_cast<std::size_t>(error)];
}

// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), mixed.
std::uint64_t StableHash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return Mix(hash);
}

bool CompiledFlag::Rule::Matches(const FlagSubject& subject) const {
  if (!principals.empty() && !Among(subject.principal, principals)) return false;
  if (!tenants.empty() && !Among(subject.tenant, tenants)) return false;
  if (!scopes.empty() && !HoldsAny(subject.scopes, scopes)) return false;
  return std::all_of(headers.begin(), headers.end(), [&](const auto& header) {
    return HasHeader(subject, header.first, header.second);
  });
}

// Each variant runs a race whose time is drawn from the subject and the variant alone, and scaled
// by its weight (weighted rendezvous hashing, Schindelhauer and Schomaker 2005). So a change of one
// weight never moves a subject between two others.
std::size_t CompiledFlag::Choose(const Rule& rule, std::string_view targeting_key) const {
  const std::uint64_t subject = Mix(StableHash(targeting_key) ^ hash_);
  std::size_t chosen = rule.split.front().variant;
  double best = INFINITY;
  for (const Share& share : rule.split) {
    const std::uint64_t draw = Mix(subject ^ variants_[share.variant].hash);
    const double part = (static_cast<double>(draw >> 11) + 0.5) * 0x1p-53;
    const double time = -std::log(part) / share.weight;
    if (time < best) {
      best = time;
      chosen = share.variant;
    }
  }
  return chosen;
}

FlagAnswer CompiledFlag::Evaluate(const FlagSubject& subject) const {
  FlagAnswer answer{.variant = &variants_[default_variant_], .reason = FlagReason::kDisabled};
  if (definition_.disabled()) return answer;
  for (const Rule& rule : rules_) {
    ++answer.rule;
    if (!rule.Matches(subject)) continue;
    if (rule.split.empty()) {
      answer.variant = &variants_[rule.variant];
      answer.reason = FlagReason::kTargetingMatch;
    } else if (subject.targeting_key.empty()) {
      answer.variant = nullptr;
      answer.reason = FlagReason::kError;
      answer.error = FlagError::kTargetingKeyMissing;
    } else {
      answer.variant = &variants_[Choose(rule, subject.targeting_key)];
      answer.reason = FlagReason::kSplit;
    }
    return answer;
  }
  answer.rule = 0;
  answer.reason = rules_.empty() ? FlagReason::kStatic : FlagReason::kDefault;
  return answer;
}

Result<std::shared_ptr<const FlagSet>> FlagSet::Make(const v1::SetFlagsRequest& flags) {
  if (flags.flags_size() > kFlagsMax)
    return absl::InvalidArgumentError(StrCat("there are more than ", kFlagsMax, " flags"));
  auto set = std::make_shared<FlagSet>();
  set->version_ = flags.version();
  std::set<std::string> asked;
  for (const v1::Flag& flag : flags.flags()) {
    TRY(std::unique_ptr<const CompiledFlag> compiled,
        CompiledFlag::Make(flag, StrCat("flags[\"", flag.key().substr(0, 80), "\"].")));
    for (const v1::FlagRule& rule : compiled->definition().rules()) {
      for (const auto& [name, value] : rule.headers()) asked.insert(name);
    }
    const auto [at, is_new] = set->flags_.emplace(flag.key(), std::move(compiled));
    if (!is_new) return absl::InvalidArgumentError(StrCat("two flags are called ", flag.key()));
    set->all_.push_back(at->second.get());
  }
  std::sort(set->all_.begin(), set->all_.end(), [](const auto* a, const auto* b) {
    return a->definition().key() < b->definition().key();
  });
  for (const std::string& name : flags.headers()) {
    const std::string lower = ToLower(name);
    if (asked.contains(lower)) set->headers_.push_back(lower);
  }
  return std::shared_ptr<const FlagSet>(std::move(set));
}

const CompiledFlag* FlagSet::Find(std::string_view key) const {
  const auto found = flags_.find(key);
  return found == flags_.end() ? nullptr : found->second.get();
}

}  // namespace tessera
