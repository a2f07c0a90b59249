// `tessera slo`: what is left of the error budgets.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>

#include <unistd.h>

#include "app/admin_client.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "app/terminal.h"
#include "config/units.h"
#include "monitoring/slo_words.h"
#include "net/uri.h"
#include "tessera/v1/monitoring.pb.h"

namespace tessera {
namespace {

constexpr std::string_view kApi = "/admin/v1/slos";

struct State {
  PlatformTarget target;
  std::vector<std::string> name;
  bool json = false;
};

std::string_view StateWord(const v1::Slo& slo) {
  switch (slo.state()) {
    case v1::SLO_STATE_MET:
      return "met";
    case v1::SLO_STATE_BURNING:
      return "burning";
    case v1::SLO_STATE_MISSED:
      return "missed";
    default:
      return "not enough data";
  }
}

std::string Windows(const v1::BurnRate& burn) {
  return StrCat(WindowText(burn.long_s() * 1000), " and ", WindowText(burn.short_s() * 1000));
}

std::string Time(std::int64_t wall_ms) {
  char buffer[25];
  return std::string(Rfc3339(wall_ms, buffer));
}

void PrintTable(const v1::ListSlosReply& reply) {
  if (reply.slos().empty()) {
    std::printf("no objectives are configured (slos.objectives in the configuration)\n");
    return;
  }
  std::size_t wide = 9;
  for (const v1::Slo& slo : reply.slos()) wide = std::max(wide, slo.name().size());
  const int width = static_cast<int>(wide);
  std::printf("%-*s  %8s  %6s  %-15s  %11s  %s\n", width, "OBJECTIVE", "TARGET", "WINDOW", "STATE",
              "BUDGET LEFT", "WHY");
  for (const v1::Slo& slo : reply.slos()) {
    const bool known = slo.enough_data();
    std::printf("%-*s  %8s  %6s  %-15s  %11s  %s\n", width, slo.name().c_str(),
                StrCat(ShortNumber(slo.target(), 3), " %").c_str(),
                WindowText(slo.window_s() * 1000).c_str(), std::string(StateWord(slo)).c_str(),
                known ? StrCat(ShortNumber(slo.budget_left() * 100, 1), " %").c_str() : "-",
                slo.reason().c_str());
  }
  for (const v1::Slo& slo : reply.slos()) {
    for (const v1::Alert& alert : slo.alerts())
      std::printf("\n%s of %s since %s: %s\n",
                  alert.level() == v1::ALERT_LEVEL_PAGE ? "PAGE" : "ticket", slo.name().c_str(),
                  Time(alert.since_ms()).c_str(), alert.text().c_str());
  }
}

void PrintOne(const v1::Slo& slo) {
  std::printf("%s: %s\n", slo.name().c_str(), std::string(StateWord(slo)).c_str());
  if (!slo.description().empty()) std::printf("%s\n", slo.description().c_str());
  std::printf("\ntarget   %s %% over %s\n", ShortNumber(slo.target(), 3).c_str(),
              WindowText(slo.window_s() * 1000).c_str());
  if (slo.threshold_s() > 0)
    std::printf("within   %s s, counted at %s s\n", ShortNumber(slo.threshold_s(), 6).c_str(),
                ShortNumber(slo.counted_threshold_s(), 6).c_str());
  for (const std::string& route : slo.routes()) std::printf("route    %s\n", route.c_str());
  for (const std::string& name : slo.contracts()) std::printf("contract %s\n", name.c_str());
  std::printf("so far   %s\n", slo.reason().c_str());
  std::printf("watched  %s of it\n\n", HumanSeconds(static_cast<double>(slo.seen_s())).c_str());
  std::printf("%-7s  %-14s  %7s  %10s  %10s  %s\n", "ALERT", "OVER", "AT", "LONG", "SHORT", "");
  for (const v1::BurnRate& burn : slo.burn_rates())
    std::printf("%-7s  %-14s  %7s  %10s  %10s  %s\n",
                burn.level() == v1::ALERT_LEVEL_PAGE ? "page" : "ticket", Windows(burn).c_str(),
                ShortNumber(burn.limit(), 1).c_str(), ShortNumber(burn.long_rate(), 2).c_str(),
                ShortNumber(burn.short_rate(), 2).c_str(),
                burn.burns()         ? "burns"
                : burn.enough_data() ? ""
                                     : "not enough data");
  if (!slo.alerts().empty()) std::printf("\n");
  for (const v1::Alert& alert : slo.alerts())
    std::printf("%s  %-24s  %s: %s\n", Time(alert.since_ms()).c_str(),
                alert.until_ms() == 0 ? "fires" : Time(alert.until_ms()).c_str(),
                alert.level() == v1::ALERT_LEVEL_PAGE ? "page" : "ticket", alert.text().c_str());
}

template <class Reply>
ExitCode Show(const State& state, const std::string& path, void (*print)(const Reply&)) {
  const Interrupt interrupt;
  auto client = AdminClient::Connect(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  const Result<Reply> reply = (*client)->Get<Reply>(path);
  if (!reply.ok()) return Fail(reply.status());
  if (state.json) {
    std::printf("%s\n", MessageToJson(*reply).c_str());
  } else {
    print(*reply);
  }
  return ExitCode::kOk;
}

}  // namespace

Command SloCommand() {
  auto state = std::make_shared<State>();
  Command command;
  command.name = "slo";
  command.summary = "shows the objectives and what is left of their error budgets";
  command.details =
      "Lists the objectives of the running platform and the alerts that fire; with a name, that "
      "one "
      "with its burn rates and its last alerts. Exit code 0 whatever their state. How they are "
      "made: docs/observability.md.";
  command.arguments = {{.name = "NAME",
                        .doc = "An objective; none lists all.",
                        .target = &state->name,
                        .required = false,
                        .completion = Completion::kNone}};
  AddServerOptions(state->target, command.options);
  command.options.push_back(
      {.name = "--json", .doc = "Prints the answer as JSON.", .target = &state->json});
  command.examples = {{"tessera slo", "all objectives"},
                      {"tessera slo chat-latency", "one of them, with its burn rates"}};
  command.run = [state] {
    if (state->name.empty()) return Show<v1::ListSlosReply>(*state, std::string(kApi), PrintTable);
    return Show<v1::Slo>(*state, StrCat(kApi, "/", PercentEncode(state->name.front())), PrintOne);
  };
  return command;
}

}  // namespace tessera
