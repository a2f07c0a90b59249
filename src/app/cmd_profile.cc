// `tessera profile`: where processes spend their time, and what they hold.
#include <cstdio>
#include <fstream>
#include <memory>
#include <utility>

#include <unistd.h>

#include "app/api_caller.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "app/target.h"
#include "app/terminal.h"
#include "base/task.h"
#include "net/uri.h"

namespace tessera {
namespace {

struct State {
  PlatformTarget target;
  std::vector<std::string> kind;
  std::string group, out, format;
  std::uint32_t seconds = 10;
};

Result<std::string> Take(const State& state, CancelToken cancel) {
  TRY(const Endpoint server, FindTarget(state.target));
  TRY(const Url url, ParseServerUrl(server.url));
  ApiCaller api(url, server.url, server.key);
  std::string path = StrCat("/admin/v1/profiles/", state.kind.front(), "?seconds=", state.seconds);
  if (!state.group.empty()) StrAppend(&path, "&group=", PercentEncode(state.group));
  if (!state.format.empty()) StrAppend(&path, "&format=", state.format);
  return SyncWait(api.Call(SystemCtx(std::move(cancel)), HttpMethod::kGet, std::move(path), ""));
}

Status Write(const State& state, const std::string& profile) {
  const bool text = state.format == "collapsed";
  std::string out = state.out;
  if (out.empty() && !text && IsTerminal(STDOUT_FILENO))
    out = StrCat("tessera-", state.kind.front(), ".pb.gz");
  if (out.empty() || out == "-") {
    std::fwrite(profile.data(), 1, profile.size(), stdout);
    return absl::OkStatus();
  }
  std::ofstream file(out, std::ios::binary);
  file << profile;
  file.close();
  if (!file) return absl::InvalidArgumentError(StrCat("cannot write ", out));
  if (text) {
    std::fprintf(stderr, "%s: stacks for flame graphs\n", out.c_str());
  } else {
    std::fprintf(stderr, "%s: read it with \"go tool pprof -http=: %s\" or speedscope\n",
                 out.c_str(), out.c_str());
  }
  return absl::OkStatus();
}

ExitCode Run(const State& state) {
  if (state.seconds < 1 || state.seconds > 60)
    return Fail(
        WithExitCode(absl::InvalidArgumentError("--seconds: from 1 to 60"), ExitCode::kUsage));
  const Interrupt interrupt;
  const auto profile = Take(state, interrupt.token());
  if (!profile.ok()) return Fail(profile.status());
  const Status written = Write(state, *profile);
  return written.ok() ? ExitCode::kOk : Fail(written);
}

}  // namespace

Command ProfileCommand() {
  auto state = std::make_shared<State>();
  Command command;
  command.name = "profile";
  command.summary = "shows where processes spend their time, or what they hold in memory";
  command.details =
      "Watches the processes of a running platform for some seconds and writes a file for pprof, "
      "speedscope or Grafana Pyroscope. \"cpu\" says where processor time goes; \"heap\" says what "
      "is allocated meanwhile, and what of it is still held in the end. The file holds names of "
      "functions, threads and processes, and nothing of anybody's data. How it works and what it "
      "costs: docs/observability.md.";
  command.arguments = {{.name = "KIND",
                        .doc = "What to look at: cpu or heap.",
                        .target = &state->kind,
                        .words = {"cpu", "heap"}}};
  command.options = {
      {.name = "--group",
       .value = "NAME",
       .doc = "Only of this group of the topology, or of one replica: inference#0. Default: all.",
       .target = &state->group},
      {.name = "--seconds",
       .value = "N",
       .doc = "For how long, 1 to 60. Default: 10.",
       .target = &state->seconds},
      {.name = "--format",
       .value = "FORMAT",
       .doc = "For pprof, or a line a stack for flame graphs.",
       .target = &state->format,
       .words = {"pprof", "collapsed"}},
      {.name = "--out",
       .value = "FILE",
       .doc = "Where to. Default: the standard output; tessera-KIND.pb.gz when that is a terminal.",
       .target = &state->out,
       .completion = Completion::kFile}};
  for (Option& option : TargetOptions(state->target)) {
    if (option.name != "--config") command.options.push_back(std::move(option));
  }
  command.examples = {
      {"tessera profile cpu --seconds 30 --out cpu.pb.gz", "of all processes in one file"},
      {"tessera profile cpu --group retrieval#0 --format collapsed", "for flame graphs"},
      {"tessera profile heap --seconds 60 --out heap.pb.gz", "what grows"}};
  command.run = [state] { return Run(*state); };
  return command;
}

}  // namespace tessera
