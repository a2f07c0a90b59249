#include "edge/health.h"

#include <algorithm>

#include "base/json_writer.h"

namespace tessera {
namespace {

std::string_view Name(HealthCheck::State state) {
  switch (state) {
    case HealthCheck::State::kGood:
      return "good";
    case HealthCheck::State::kWarning:
      return "warning";
    case HealthCheck::State::kFailed:
      return "failed";
  }
  return "";
}

}  // namespace

bool HealthReport::ready() const {
  return std::ranges::none_of(
      checks, [](const HealthCheck& check) { return check.state == HealthCheck::State::kFailed; });
}

std::string HealthReport::ToJson() const {
  const bool good = std::ranges::all_of(
      checks, [](const HealthCheck& check) { return check.state == HealthCheck::State::kGood; });
  JsonWriter json;
  json.BeginObject().Field("status", !ready() ? "not_ready" : good ? "ready" : "degraded");
  json.Key("checks").BeginArray();
  for (const HealthCheck& check : checks) {
    json.BeginObject().Field("name", check.name).Field("status", Name(check.state));
    if (!check.reason.empty()) json.Field("reason", check.reason);
    json.EndObject();
  }
  json.EndArray().EndObject();
  return json.Take();
}

}  // namespace tessera
