#include "identity/call_policy.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr std::string_view kHealth = "grpc.health.v1.Health";

using Names = absl::flat_hash_set<std::string>;

Counter& Refusals(const char* what) {
  return Metrics::Process().NewCounter("tessera_identity_refusals_total",
                                       "Calls and connections refused for who made them.",
                                       {{"what", what}});
}

}  // namespace

struct CallPolicy::Rules {
  absl::flat_hash_map<std::string, Names> may_call;
  Names denied_groups;
  Names denied_serials;
  bool operator==(const Rules&) const = default;
};

std::string_view GroupOf(std::string_view spiffe_id) {
  if (!spiffe_id.starts_with(kScheme)) return {};
  spiffe_id.remove_prefix(kScheme.size());
  const std::size_t slash = spiffe_id.find('/');
  if (slash == std::string_view::npos) return {};
  spiffe_id.remove_prefix(slash + 1);
  return spiffe_id.substr(0, spiffe_id.find('/'));
}

CallPolicy::CallPolicy(std::shared_ptr<AuditLog> audit)
    : audit_(std::move(audit)), rules_(std::make_shared<const Rules>()) {}
CallPolicy::~CallPolicy() = default;

std::shared_ptr<const CallPolicy::Rules> CallPolicy::Current() const {
  std::lock_guard lock(mutex_);
  return rules_;
}

void CallPolicy::Set(const CallRules& rules) {
  auto made = std::make_shared<Rules>();
  for (const auto& [group, contracts] : rules.may_call) {
    made->may_call[group].insert(contracts.begin(), contracts.end());
  }
  made->denied_groups.insert(rules.denied_groups.begin(), rules.denied_groups.end());
  made->denied_serials.insert(rules.denied_serials.begin(), rules.denied_serials.end());
  {
    std::lock_guard lock(mutex_);
    if (*rules_ == *made) return;  // rules come along with all routes
    rules_ = std::move(made);
  }
  if (audit_) {
    audit_->Write("policy_changed",
                  {{"groups", rules.may_call.size()},
                   {"denied_groups", rules.denied_groups.size()},
                   {"denied_serials", rules.denied_serials.size()}},
                  LogLevel::kInfo);
  }
}

bool CallPolicy::IsDenied(const TlsPeer& peer) const {
  const std::shared_ptr<const Rules> rules = Current();
  return rules->denied_groups.contains(AbslView(GroupOf(peer.id))) ||
         rules->denied_serials.contains(peer.serial);
}

Status CallPolicy::Check(const TlsPeer& peer, const MethodInfo& method) const {
  const std::shared_ptr<const Rules> rules = Current();
  const std::string_view group = GroupOf(peer.id);
  const std::string_view contract = method.full_name.substr(0, method.full_name.rfind('.'));
  std::string why;
  if (peer.id.empty()) {
    why = "the caller has no identity: this listener needs mutual TLS";
  } else if (rules->denied_groups.contains(AbslView(group))) {
    why = StrCat("the group ", group, " is revoked");
  } else if (rules->denied_serials.contains(peer.serial)) {
    why = StrCat("the certificate ", peer.serial, " is revoked");
  } else {
    const auto allowed = rules->may_call.find(AbslView(group));
    if (allowed != rules->may_call.end() &&
        (allowed->second.contains(AbslView(contract)) || allowed->second.contains("*") ||
         contract == kHealth)) {
      return absl::OkStatus();
    }
    why = StrCat("the group ", group, " may not call ", contract);
  }
  static Counter& refusals = Refusals("call");
  refusals.Add();
  if (audit_) {
    audit_->Write("call_refused", {{"peer", peer.id},
                                   {"serial", peer.serial},
                                   {"method", method.full_name},
                                   {"reason", why}});
  }
  return absl::PermissionDeniedError(std::move(why));
}

void CallPolicy::RefusedConnection(const std::string& why) const {
  static Counter& refusals = Refusals("connection");
  refusals.Add();
  if (audit_) audit_->Write("connection_refused", {{"reason", why}});
}

}  // namespace tessera
