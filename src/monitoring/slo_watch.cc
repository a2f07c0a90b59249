#include "monitoring/slo_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/str.h"
#include "monitoring/slo_words.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr std::int64_t kSeenMaxMs = 15'000;  // between two readings; more was not watched
constexpr std::size_t kPoints = 120;
constexpr std::int64_t kPointsMinMs = 600'000;
constexpr std::uint32_t kAlertsDefault = 100;
constexpr std::size_t kAlertsOfOne = 20;

std::int64_t WindowMs(const SloObjective& objective) {
  return std::chrono::milliseconds(objective.window).count();
}

v1::AlertLevel LevelOf(AlertSeverity severity) {
  return severity == AlertSeverity::kPage ? v1::ALERT_LEVEL_PAGE : v1::ALERT_LEVEL_TICKET;
}

v1::Alert MessageOf(const AlertRecord& alert) {
  v1::Alert message;
  message.set_id(alert.id);
  message.set_slo(alert.slo);
  message.set_level(LevelOf(alert.severity));
  message.set_since_ms(alert.since_ms);
  message.set_until_ms(alert.until_ms);
  message.set_text(alert.text);
  return message;
}

v1::BurnRate MessageOf(const BurnState& burn) {
  v1::BurnRate message;
  message.set_level(LevelOf(burn.rule.severity));
  message.set_long_s(burn.rule.long_ms / 1000);
  message.set_short_s(burn.rule.short_ms / 1000);
  message.set_limit(burn.rule.rate);
  message.set_long_rate(burn.long_rate);
  message.set_short_rate(burn.short_rate);
  message.set_seen_s(burn.over_long.seen_ms / 1000);
  message.set_enough_data(burn.enough_data);
  message.set_burns(burn.burns);
  return message;
}

void Describe(const SloObjective& objective, v1::Slo& slo) {
  slo.set_name(objective.name);
  slo.set_description(objective.description);
  slo.set_indicator(
      objective.indicator == SloIndicator::kAvailability ? v1::SLO_INDICATOR_KIND_AVAILABILITY
      : objective.indicator == SloIndicator::kLatency    ? v1::SLO_INDICATOR_KIND_LATENCY
                                                         : v1::SLO_INDICATOR_KIND_FIRST_TOKEN);
  slo.mutable_routes()->Add(objective.routes.begin(), objective.routes.end());
  slo.mutable_contracts()->Add(objective.contracts.begin(), objective.contracts.end());
  slo.set_target(objective.target);
  slo.set_window_s(WindowMs(objective) / 1000);
  if (objective.indicator == SloIndicator::kAvailability) return;
  slo.set_threshold_s(std::chrono::duration<double>(objective.threshold).count());
  const auto counted = CountedThreshold(objective.threshold);
  if (counted.ok()) slo.set_counted_threshold_s(std::chrono::duration<double>(*counted).count());
}

void AddPoints(const SloObjective& objective, const SliHistory& history, std::int64_t now_ms,
               double budget, v1::Slo& slo) {
  const std::int64_t began = history.BeganMs(now_ms);
  const std::int64_t length =
      std::clamp(now_ms - began, std::min(kPointsMinMs, WindowMs(objective)), WindowMs(objective));
  double failed = 0;
  const std::vector<SliSum> steps = history.Steps(now_ms, length, kPoints);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    failed += steps[i].failed();
    v1::SloPoint& point = *slo.add_points();
    point.set_at_ms(now_ms - length +
                    length * static_cast<std::int64_t>(i + 1) / static_cast<std::int64_t>(kPoints));
    point.set_good(static_cast<std::int64_t>(steps[i].good));
    point.set_total(static_cast<std::int64_t>(steps[i].total));
    point.set_seen_s((steps[i].seen_ms + 999) / 1000);
    point.set_budget_left(budget > 0 ? 1 - failed / budget : 1);
  }
}

}  // namespace

SloWatch::SloWatch(Parts parts) : parts_(std::move(parts)) {
  for (const SloObjective& objective : parts_.config.objectives)
    all_.push_back(std::make_unique<Watched>(Watched{
        .objective = objective, .terms = SliTerms(objective), .history = {}, .budget = {}}));
}

Status SloWatch::BeginWatch() {
  if (!parts_.store) return absl::OkStatus();
  std::map<std::string, std::string> fingerprints;
  for (const auto& one : all_) fingerprints.emplace(one->objective.name, one->terms.fingerprint());
  TRY(SloSaved saved, parts_.store->Claim(fingerprints));
  if (saved.at_ms > 0)
    growth_.Restore(saved.watching_since_ms, saved.at_ms, std::move(saved.counters));
  std::lock_guard lock(mutex_);
  alerts_ = std::move(saved.alerts);
  for (const auto& one : all_) {
    one->history = SliHistory();
    one->alarms = {};
    for (const SavedSlot& slot : saved.slots)
      if (slot.slo == one->objective.name) one->history.Restore(slot.grain, slot.slot);
  }
  for (AlertRecord& alert : alerts_) {
    if (alert.until_ms != 0) continue;
    const auto one = std::ranges::find(all_, alert.slo,
                                       [](const auto& watched) { return watched->objective.name; });
    if (one == all_.end()) {
      alert.until_ms = saved.at_ms;  // nobody asks for it any more
    } else {
      (*one)->alarms[static_cast<std::size_t>(alert.severity)].record = alert.id;
    }
  }
  return absl::OkStatus();
}

void SloWatch::Take(std::int64_t wall_ms, std::int64_t steady_ms,
                    const std::vector<MetricFamily>& families) {
  if (all_.empty()) return;
  if (!parts_.in_charge()) {
    watching_ = false;
    claimed_by_other_ = false;
    std::lock_guard lock(mutex_);
    tells_ = false;
    return;
  }
  if (claimed_by_other_) return;
  if (!watching_) {
    const Status begun = BeginWatch();
    if (!begun.ok())
      Log(LogLevel::kWarning, "what objectives have counted cannot be read",
          {{"reason", begun.ToString()}});
    watching_ = true;
    if (parts_.tell)
      for (const AlertRecord& alert : Firing()) parts_.tell(alert, false);
    last_steady_ms_ = steady_ms;
  }
  growth_.Begin(wall_ms, steady_ms, families);
  std::vector<AlertRecord> changed;
  {
    std::lock_guard lock(mutex_);
    now_ms_ = std::max(now_ms_, wall_ms);
    tells_ = true;
    Count(steady_ms, families);
    for (const auto& one : all_) Judge(*one, steady_ms, &changed);
  }
  growth_.End();
  last_steady_ms_ = steady_ms;
  Save(changed);
  for (const AlertRecord& alert : changed) {
    const bool over = alert.until_ms != 0;
    Log(over                                     ? LogLevel::kInfo
        : alert.severity == AlertSeverity::kPage ? LogLevel::kError
                                                 : LogLevel::kWarning,
        over ? "an alert is over" : "an alert fires",
        {{"slo", alert.slo}, {"severity", Name(alert.severity)}, {"reason", alert.text}});
    if (parts_.tell) parts_.tell(alert, true);
  }
}

void SloWatch::Count(std::int64_t steady_ms, const std::vector<MetricFamily>& families) {
  const std::int64_t seen = std::min(steady_ms - last_steady_ms_, kSeenMaxMs);
  for (const auto& one : all_) {
    SliSum sum{.seen_ms = seen};
    for (const MetricFamily& family : families)
      if (one->terms.Wants(family.name)) one->terms.Count(family, growth_, sum);
    sum.good = std::clamp(sum.good, 0.0, sum.total);
    one->history.Add(now_ms_, sum);
  }
}

void SloWatch::Judge(Watched& one, std::int64_t steady_ms, std::vector<AlertRecord>* changed) {
  const std::int64_t window_ms = WindowMs(one.objective);
  const double allowed = one.objective.allowed();
  one.budget = JudgeBudget(one.history, now_ms_, window_ms, allowed);
  const auto rules = BurnRulesFor(window_ms);
  for (std::size_t i = 0; i < rules.size(); ++i)
    one.burns[i] = JudgeBurn(rules[i], one.history, now_ms_, allowed, one.objective.failures_min);
  JudgeAlarm(one, AlertSeverity::kPage, steady_ms, changed);
  JudgeAlarm(one, AlertSeverity::kTicket, steady_ms, changed);
}

AlertRecord* SloWatch::Find(std::int64_t id) {
  const auto found = std::ranges::find(alerts_, id, &AlertRecord::id);
  return found == alerts_.end() ? nullptr : &*found;
}

void SloWatch::JudgeAlarm(Watched& one, AlertSeverity severity, std::int64_t steady_ms,
                          std::vector<AlertRecord>* changed) {
  Alarm& alarm = one.alarms[static_cast<std::size_t>(severity)];
  const auto burning = std::ranges::find_if(one.burns, [severity](const BurnState& burn) {
    return burn.burns && burn.rule.severity == severity;
  });
  if (burning != one.burns.end()) {
    alarm.burned_steady_ms = steady_ms;
    if (alarm.record >= 0) return;
    alarm.record = alerts_.empty() ? 1 : alerts_.back().id + 1;
    alerts_.push_back({.id = alarm.record,
                       .slo = one.objective.name,
                       .severity = severity,
                       .since_ms = now_ms_,
                       .text = AlertText(one.objective, *burning)});
    if (alerts_.size() > SloStore::kAlertsMax) alerts_.erase(alerts_.begin());
    changed->push_back(alerts_.back());
    return;
  }
  if (alarm.record < 0) return;
  if (alarm.burned_steady_ms == 0) alarm.burned_steady_ms = steady_ms;  // of an earlier process
  if (steady_ms - alarm.burned_steady_ms < parts_.config.resolve_after.count()) return;
  if (AlertRecord* const alert = Find(alarm.record)) {
    alert->until_ms = now_ms_;
    changed->push_back(*alert);
  }
  alarm = {};
}

void SloWatch::Save(const std::vector<AlertRecord>& changed) {
  if (!parts_.store) return;
  SloSave save{.at_ms = now_ms_,
               .watching_since_ms = growth_.watching_since_ms(),
               .slots = {},
               .counters = growth_.TakeChanged(),
               .alerts = changed};
  for (const auto& one : all_) {
    for (std::size_t grain = 0; grain < SliHistory::kGrains; ++grain)
      save.slots.push_back(
          {.slo = one->objective.name, .grain = grain, .slot = one->history.At(grain, now_ms_)});
  }
  const Status saved = parts_.store->Save(save);
  if (saved.ok()) return;
  claimed_by_other_ = absl::IsFailedPrecondition(saved);
  Log(LogLevel::kWarning, "what objectives have counted was not written",
      {{"reason", saved.ToString()}});
}

v1::Slo SloWatch::MessageOf(const Watched& one) const {
  v1::Slo slo;
  Describe(one.objective, slo);
  slo.set_good(static_cast<std::int64_t>(one.budget.over.good));
  slo.set_total(static_cast<std::int64_t>(one.budget.over.total));
  slo.set_seen_s(one.budget.over.seen_ms / 1000);
  slo.set_budget_left(one.budget.left);
  slo.set_enough_data(one.budget.enough_data);
  const bool fires = std::ranges::any_of(one.alarms, [](const Alarm& a) { return a.record >= 0; });
  slo.set_state(StateOf(one.budget, fires));
  slo.set_reason(ReasonOf(one.objective, one.budget, slo.state()));
  for (const BurnState& burn : one.burns) *slo.add_burn_rates() = tessera::MessageOf(burn);
  for (const AlertRecord& alert : alerts_) {
    if (alert.slo == one.objective.name && alert.until_ms == 0)
      *slo.add_alerts() = tessera::MessageOf(alert);
  }
  return slo;
}

v1::ListSlosReply SloWatch::List() const {
  std::lock_guard lock(mutex_);
  v1::ListSlosReply reply;
  for (const auto& one : all_) *reply.add_slos() = MessageOf(*one);
  return reply;
}

Result<v1::Slo> SloWatch::Get(const std::string& name) const {
  std::lock_guard lock(mutex_);
  for (const auto& one : all_) {
    if (one->objective.name != name) continue;
    v1::Slo slo = MessageOf(*one);
    slo.clear_alerts();
    for (auto alert = alerts_.rbegin(); alert != alerts_.rend(); ++alert) {
      if (alert->slo != name) continue;
      if (static_cast<std::size_t>(slo.alerts_size()) == kAlertsOfOne) break;
      *slo.add_alerts() = tessera::MessageOf(*alert);
    }
    AddPoints(one->objective, one->history, now_ms_,
              one->budget.over.total * one->objective.allowed(), slo);
    return slo;
  }
  return absl::NotFoundError(
      StrCat("no objective is called ", name, "; /admin/v1/slos lists what there is"));
}

v1::ListAlertsReply SloWatch::Alerts(const v1::ListAlertsRequest& request) const {
  const std::uint32_t limit = request.limit() == 0 ? kAlertsDefault : request.limit();
  std::lock_guard lock(mutex_);
  v1::ListAlertsReply reply;
  for (auto alert = alerts_.rbegin(); alert != alerts_.rend(); ++alert) {
    if (static_cast<std::uint32_t>(reply.alerts_size()) == limit) break;
    if (!request.slo().empty() && alert->slo != request.slo()) continue;
    if (request.firing() && alert->until_ms != 0) continue;
    *reply.add_alerts() = tessera::MessageOf(*alert);
  }
  return reply;
}

std::vector<AlertRecord> SloWatch::Firing() const {
  std::lock_guard lock(mutex_);
  std::vector<AlertRecord> firing;
  std::ranges::copy_if(alerts_, std::back_inserter(firing),
                       [](const AlertRecord& alert) { return alert.until_ms == 0; });
  return firing;
}

void SloWatch::AppendFigures(std::string& out) const {
  std::lock_guard lock(mutex_);
  if (!tells_) return;
  const auto family = [&out](std::string_view name, std::string_view help) {
    StrAppend(&out, "# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n");
  };
  const auto line = [&out](std::string_view name, const Labels& labels, double value) {
    StrAppend(&out, name, PrometheusLabels(labels), " ", MetricNumber(value), "\n");
  };
  family("tessera_slo_target_ratio", "The share that must be good.");
  for (const auto& one : all_)
    line("tessera_slo_target_ratio", {{"slo", one->objective.name}}, one->objective.target / 100);
  family("tessera_slo_window_seconds", "The time over which an objective must hold.");
  for (const auto& one : all_)
    line("tessera_slo_window_seconds", {{"slo", one->objective.name}},
         static_cast<double>(WindowMs(one->objective)) / 1000);
  family("tessera_slo_events", "What an objective has counted in its window.");
  for (const auto& one : all_) {
    const SliSum& over = one->budget.over;
    line("tessera_slo_events", {{"slo", one->objective.name}, {"result", "good"}}, over.good);
    line("tessera_slo_events", {{"slo", one->objective.name}, {"result", "failed"}}, over.failed());
  }
  family("tessera_slo_budget_left_ratio",
         "What is left of the error budget; none while there is not enough data.");
  for (const auto& one : all_)
    if (one->budget.enough_data)
      line("tessera_slo_budget_left_ratio", {{"slo", one->objective.name}}, one->budget.left);
  family("tessera_slo_burn_rate",
         "How fast the error budget goes over a window; 1 uses it up in the objective's.");
  for (const auto& one : all_) {
    std::map<std::int64_t, double> rates;  // two rules may share a window
    for (const BurnState& burn : one->burns) {
      rates[burn.rule.long_ms] = burn.long_rate;
      rates[burn.rule.short_ms] = burn.short_rate;
    }
    for (const auto& [length, rate] : rates)
      line("tessera_slo_burn_rate", {{"slo", one->objective.name}, {"window", WindowText(length)}},
           rate);
  }
  family("tessera_alert_firing", "1 while an alert fires.");
  for (const auto& one : all_) {
    for (const AlertSeverity severity : {AlertSeverity::kPage, AlertSeverity::kTicket})
      line("tessera_alert_firing",
           {{"alert", "SloBurn"},
            {"slo", one->objective.name},
            {"severity", std::string(Name(severity))}},
           one->alarms[static_cast<std::size_t>(severity)].record >= 0 ? 1 : 0);
  }
}

}  // namespace tessera
