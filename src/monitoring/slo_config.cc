#include "monitoring/slo_config.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/str.h"
#include "config/units.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {

constexpr std::size_t kObjectivesMax = 50;

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

Status CheckObjective(const SloObjective& objective) {
  if (!IsName(objective.name))
    return absl::InvalidArgumentError(
        "name: must be 1 to 63 of the characters a-z, 0-9, \"-\", \"_\" and \".\"");
  const bool of_requests = objective.indicator != SloIndicator::kFirstToken;
  if (of_requests && objective.routes.empty() == objective.contracts.empty())
    return absl::InvalidArgumentError(
        StrCat("the objective ", objective.name, " needs either routes or contracts"));
  if (!of_requests && !(objective.routes.empty() && objective.contracts.empty()))
    return absl::InvalidArgumentError(
        StrCat("the objective ", objective.name,
               " is about the first token of every answer: it has neither routes nor contracts"));
  if (objective.indicator == SloIndicator::kAvailability) {
    if (objective.threshold.count() != 0)
      return absl::InvalidArgumentError(
          StrCat("threshold: the objective ", objective.name,
                 " is about availability; with a threshold its indicator is latency"));
    return absl::OkStatus();
  }
  const auto counted = CountedThreshold(objective.threshold);
  if (!counted.ok())
    return absl::InvalidArgumentError(StrCat("threshold: of the objective ", objective.name, ": ",
                                             StdView(counted.status().message())));
  return absl::OkStatus();
}

Status CheckAll(const SloConfig& config) {
  std::set<std::string_view> names;
  for (const SloObjective& objective : config.objectives) {
    if (!names.insert(objective.name).second)
      return absl::InvalidArgumentError(
          StrCat("objectives: the name ", objective.name, " stands there twice"));
  }
  return absl::OkStatus();
}

Status CheckReceiver(const AlertReceiverConfig& receiver) {
  if (receiver.url.starts_with("http://") || receiver.url.starts_with("https://"))
    return absl::OkStatus();
  return absl::InvalidArgumentError("url: must begin with http:// or https://");
}

Status CheckNotify(const SloNotifyConfig& notify) {
  if (notify.resend < std::chrono::seconds(1) || notify.resend > std::chrono::hours(1))
    return absl::InvalidArgumentError("resend: must be between 1s and 1h");
  for (const auto& [name, value] : notify.labels) {
    if (name == "alertname" || name == "slo" || name == "severity")
      return absl::InvalidArgumentError(StrCat("labels: ", name, " is the alert's own"));
    const bool good = !name.empty() && std::ranges::all_of(name, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    }) && !(name[0] >= '0' && name[0] <= '9');
    if (!good)
      return absl::InvalidArgumentError(
          StrCat("labels: ", name, ": must be of a-z, A-Z, 0-9 and _, and not begin with a digit"));
  }
  return absl::OkStatus();
}

// "2.147s", "1.049ms"
std::string BoundText(std::int64_t nanoseconds) {
  const bool seconds = nanoseconds >= 100'000'000;
  const double thousandths = static_cast<double>(nanoseconds) / (seconds ? 1e6 : 1e3);
  return StrCat(MetricNumber(std::round(thousandths) / 1000), seconds ? "s" : "ms");
}

}  // namespace

Result<std::chrono::nanoseconds> CountedThreshold(std::chrono::nanoseconds threshold) {
  if (threshold.count() <= 0)
    return absl::InvalidArgumentError("is missing; a duration such as 2s is expected");
  std::int64_t below = 0;
  for (int i = 0; i + 1 < Histogram::kBuckets; ++i) {
    const std::int64_t bound = std::int64_t{1} << (Histogram::kFirstBit + i);
    if (bound >= threshold.count()) {
      if (bound <= threshold.count() + threshold.count() / 10)
        return std::chrono::nanoseconds(bound);
      return absl::InvalidArgumentError(
          StrCat(FormatDuration(threshold.count()),
                 " is not counted: figures are kept in buckets that end at ",
                 below == 0 ? "" : StrCat(BoundText(below), " and "), BoundText(bound),
                 "; ask for one of these, or for up to a tenth less"));
    }
    below = bound;
  }
  return absl::InvalidArgumentError(
      StrCat("must be at most ", BoundText(below),
             ", the end of the last bucket that figures are kept in"));
}

std::vector<SloObjective> SloConfig::Defaults() {
  const std::vector<std::string> chats = {"/v1/chat/completions", "/v1/chatqna"};
  return {{.name = "chat-availability",
           .description = "Chats are answered.",
           .target = 99.5,
           .routes = chats},
          {.name = "chat-latency",
           .description = "Chats are answered, or their stream begins, within 8 seconds.",
           .target = 95,
           .indicator = SloIndicator::kLatency,
           .routes = chats,
           .threshold = std::chrono::seconds(8)}};
}

void SloObjective::Describe(Fields<SloObjective>& f) {
  f.Required("name", &SloObjective::name, "What it is called in figures, alerts and addresses.");
  f.Optional("description", &SloObjective::description, "A sentence for people.", 0, 500);
  f.Optional("target", &SloObjective::target, "The share that must be good, in percent.", 1.0,
             99.999);
  f.Optional("window", &SloObjective::window,
             "The time over which it must hold, up to now. Those of the alerts are in proportion.",
             std::chrono::hours(1), std::chrono::hours(90 * 24));
  f.Choice(
      "indicator", &SloObjective::indicator,
      "What is counted. \"availability\": requests that did not end in a 5xx (of contracts: in "
      "a fault of the platform). \"latency\": requests whose answer was there, or began, within "
      "the threshold. \"first_token\": answers of language models whose first piece came "
      "within the threshold.",
      {{"availability", SloIndicator::kAvailability},
       {"latency", SloIndicator::kLatency},
       {"first_token", SloIndicator::kFirstToken}});
  f.Optional("routes", &SloObjective::routes,
             "Of these HTTP routes, as /metrics names them: /v1/chat/completions.", 0, 50);
  f.Optional("contracts", &SloObjective::contracts,
             "Or of calls between services: tessera.v1.Retrieval, or one method, "
             "tessera.v1.Retrieval.Search.",
             0, 50);
  f.Optional(
      "threshold", &SloObjective::threshold,
      "Of latency and first_token. Figures are kept in buckets whose ends are powers of two "
      "(… 0.537s, 1.074s, 2.147s, 4.295s …): it must be at most a tenth below such an end, as "
      "500ms, 1s, 2s, 4s and 8s are, and is counted there.");
  f.Optional("failures_min", &SloObjective::failures_min, "Fewer failures than that make no alert.",
             1U, 1'000'000U);
  f.Check(CheckObjective);
}

void AlertReceiverConfig::Describe(Fields<AlertReceiverConfig>& f) {
  f.Required("url", &AlertReceiverConfig::url,
             "Where to: of a webhook the whole URL, of an Alertmanager what comes before /api/v2.");
  f.Optional("headers", &AlertReceiverConfig::headers, "Sent with each message, keys for example.");
  f.Optional("ca_file", &AlertReceiverConfig::ca_file,
             "Certificates to trust instead of the system's, of https.");
  f.Optional("timeout", &AlertReceiverConfig::timeout, "Longest time of one message.");
  f.Check(CheckReceiver);
}

void SloNotifyConfig::Describe(Fields<SloNotifyConfig>& f) {
  f.Optional("webhooks", &SloNotifyConfig::webhooks,
             "Get a JSON object by POST when an alert fires and when it is over.", 0, 10);
  f.Optional("alertmanagers", &SloNotifyConfig::alertmanagers,
             "Prometheus Alertmanagers, each of which is told.", 0, 10);
  f.Optional("labels", &SloNotifyConfig::labels,
             "Labels of alerts at an Alertmanager, besides alertname, slo and severity.", 0, 20);
  f.Optional("resend", &SloNotifyConfig::resend,
             "How often an Alertmanager is told that an alert still fires; without that it takes "
             "it for over after four times as long.");
  f.Optional("retry_max", &SloNotifyConfig::retry_max,
             "The longest pause between tries of a receiver that cannot be reached.");
  f.Check(CheckNotify);
}

void SloConfig::Describe(Fields<SloConfig>& f) {
  f.Optional("objectives", &SloConfig::objectives,
             "The objectives. A list here takes the place of the default ones; an empty one means "
             "none.",
             0, kObjectivesMax);
  f.Optional("notify", &SloConfig::notify, "Who is told of alerts, besides the log.");
  f.Optional("resolve_after", &SloConfig::resolve_after,
             "How long its reason must be gone before an alert is over.");
  f.Check(CheckAll);
}

}  // namespace tessera
