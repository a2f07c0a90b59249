#include "remote/fault_rules.h"

#include <optional>

#include "base/ids.h"

namespace tessera {
namespace {

std::optional<absl::StatusCode> CodeOfName(std::string_view name) {
  for (int code = 1; code <= 16; ++code) {
    const auto candidate = static_cast<absl::StatusCode>(code);
    if (absl::StatusCodeToString(candidate) == name) return candidate;
  }
  return std::nullopt;
}

bool Befalls(double percent) {
  return static_cast<double>(RandomId() % 1'000'000) < percent * 10'000;
}

bool Matches(const FaultRule& rule, std::string_view method, const FaultRules::HeaderOf& header) {
  if (!method.starts_with(rule.method)) return false;
  if (rule.header.empty()) return true;
  const std::string_view value = header(rule.header);
  return rule.header_value.empty() ? !value.empty() : value == rule.header_value;
}

}  // namespace

void FaultRule::Describe(Fields<FaultRule>& f) {
  f.Optional("method", &FaultRule::method, "Full name of the method, or its beginning.");
  f.Optional("header", &FaultRule::header, "Metadata that the call must have.");
  f.Optional("header_value", &FaultRule::header_value, "The value it must have; empty is any.");
  f.Optional("delay_percent", &FaultRule::delay_percent, "Of the calls that are delayed.", 0.0,
             100.0);
  f.Optional("delay", &FaultRule::delay, "How long.", std::chrono::milliseconds(0),
             std::chrono::hours(1));
  f.Optional("abort_percent", &FaultRule::abort_percent, "Of the calls that are aborted.", 0.0,
             100.0);
  f.Optional("abort_code", &FaultRule::abort_code, "With which status: UNAVAILABLE …");
}

Status FaultRules::Set(std::vector<FaultRule> rules) {
  for (const FaultRule& rule : rules) {
    if (!CodeOfName(rule.abort_code)) {
      return absl::InvalidArgumentError(
          StrCat("abort_code \"", rule.abort_code, "\" is no status code, such as UNAVAILABLE"));
    }
  }
  const bool any = !rules.empty();
  std::lock_guard lock(mutex_);
  rules_ = std::make_shared<const std::vector<FaultRule>>(std::move(rules));
  any_ = any;
  return absl::OkStatus();
}

Fault FaultRules::Decide(std::string_view method, const HeaderOf& header) const {
  std::shared_ptr<const std::vector<FaultRule>> rules;
  {
    std::lock_guard lock(mutex_);
    rules = rules_;
  }
  Fault fault;
  if (!rules) return fault;
  for (const FaultRule& rule : *rules) {
    if (!Matches(rule, method, header)) continue;
    if (Befalls(rule.delay_percent)) fault.delay = rule.delay;
    if (Befalls(rule.abort_percent)) {
      fault.abort = Status(CodeOfName(rule.abort_code).value_or(absl::StatusCode::kUnavailable),
                           "aborted on purpose by a fault rule");
    }
    break;
  }
  return fault;
}

Fault FaultRules::Decide(std::string_view method, const Ctx& ctx) const {
  return Decide(method, [&ctx](std::string_view name) -> std::string_view {
    if (name == "x-request-id") return ctx.info().request_id;
    if (name == "tessera-tenant") return ctx.info().tenant;
    if (name == "tessera-principal") return ctx.principal().id;
    return {};
  });
}

}  // namespace tessera
