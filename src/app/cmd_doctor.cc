// `tessera doctor`: what is wrong, and how to mend it.
#include <cstdio>
#include <memory>

#include <unistd.h>

#include "app/command.h"
#include "app/commands.h"
#include "app/doctor.h"
#include "app/interrupt.h"
#include "app/terminal.h"

namespace tessera {
namespace {

struct State {
  PlatformTarget target;
  bool json = false;
};

const char* Colour(Verdict verdict) {
  if (verdict == Verdict::kGood) return "\x1b[32m";
  return verdict == Verdict::kWarning ? "\x1b[33m" : "\x1b[31m";
}

void Print(const Report& report) {
  const bool colour = ShowsColour(STDOUT_FILENO);
  for (const Finding& finding : report.findings()) {
    const std::string verdict(VerdictName(finding.verdict));
    std::printf("%s%-8s%s%-24s %s\n", colour ? Colour(finding.verdict) : "", verdict.c_str(),
                colour ? "\x1b[0m" : "", finding.check.c_str(), Printable(finding.seen).c_str());
    if (!finding.remedy.empty())
      std::printf("%-8s%-24s -> %s\n", "", "", Printable(finding.remedy).c_str());
  }
}

ExitCode RunDoctor(const State& state) {
  const Interrupt interrupt;
  const Result<Patient> patient = FindPatient(state.target);
  if (!patient.ok()) return Fail(patient.status());
  const Report report = Examine(SystemCtx(interrupt.token()), *patient);
  if (state.json) {
    std::printf("%s\n", report.ToJson().c_str());
  } else {
    Print(report);
  }
  return report.verdict() == Verdict::kBad ? ExitCode::kFailed : ExitCode::kOk;
}

}  // namespace

Command DoctorCommand() {
  auto state = std::make_shared<State>();
  Command command;
  command.name = "doctor";
  command.summary = "looks for what is wrong, and says how to mend it";
  command.details =
      "Looks at the configuration, memory, disk, clock, programs, keys, stores, models, "
      "certificates, models behind other servers, and at the server that runs on the data folder; "
      "without one, at the addresses that it would take. Changes nothing.\n\n"
      "Exit code 1 when something does not work; warnings alone are 0.";
  command.options = TargetOptions(state->target);
  command.options.push_back(
      {.name = "--json", .doc = "Prints the findings as JSON.", .target = &state->json});
  command.examples = {{"tessera doctor", "everything on this machine"},
                      {"tessera doctor --json | jq '.findings[] | select(.verdict != \"good\")'",
                       "only what needs somebody"}};
  command.run = [state] { return RunDoctor(*state); };
  return command;
}

}  // namespace tessera
