// `tessera logs`: what the platform's processes say, and how much.

#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>

#include <unistd.h>

#include "app/admin_client.h"
#include "app/command.h"
#include "app/interrupt.h"
#include "app/terminal.h"
#include "logs/log_message.h"
#include "net/uri.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

constexpr std::string_view kApi = "/admin/v1/logs";
constexpr Duration kLook = std::chrono::milliseconds(500);
const std::vector<std::string> kLevels = {"debug", "info", "warning", "error"};

struct State {
  PlatformTarget target;
  std::vector<std::string> words;
  std::string level, module, trace, request, text, process, limit;
  bool follow = false;
  bool json = false;
};

Status Usage(std::string message) {
  return WithExitCode(absl::InvalidArgumentError(message), ExitCode::kUsage);
}

std::string Query(const State& state, std::uint64_t after) {
  std::string query;
  const auto add = [&query](std::string_view name, const std::string& value) {
    if (!value.empty())
      StrAppend(&query, query.empty() ? "?" : "&", name, "=", PercentEncode(value));
  };
  add("level", state.level);
  add("module", state.module);
  add("trace", state.trace);
  add("request", state.request);
  add("text", state.text);
  add("process", state.process);
  if (after > 0) {
    add("after", StrCat(after));
    add("limit", "1000");
  } else {
    add("limit", state.limit);
  }
  return StrCat(kApi, query);
}

void Print(const State& state, const v1::ListLogsReply& reply) {
  static const bool colour = IsTerminal(STDOUT_FILENO);
  for (const v1::LogRecord& record : reply.records()) {
    if (state.json) {
      std::printf("%s\n", MessageToJson(record).c_str());
    } else {
      std::fputs(TextLine(record, colour).c_str(), stdout);
    }
  }
  std::fflush(stdout);
}

Status Show(AdminClient& client, const State& state, CancelToken cancel) {
  const Ctx ctx = SystemCtx(std::move(cancel));
  std::uint64_t after = 0;
  while (true) {
    TRY(const v1::ListLogsReply reply, client.Get<v1::ListLogsReply>(Query(state, after)));
    Print(state, reply);
    if (!state.follow) return absl::OkStatus();
    after = reply.last();
    const Status slept = SyncWait(SleepFor(ctx, kLook));
    if (!slept.ok()) return absl::OkStatus();  // Ctrl-C
  }
}

void PrintLevels(const v1::LogLevels& levels) {
  std::printf("%-24s %s\n", "(others)", std::string(Name(FromMessage(levels.others()))).c_str());
  for (const auto& [module, level] : FromMessage(levels).modules)
    std::printf("%-24s %s\n", module.c_str(), std::string(Name(level)).c_str());
}

// "level", "level LEVEL", "level MODULE LEVEL".
Status Levels(AdminClient& client, const State& state) {
  const std::string path = StrCat(kApi, "/levels");
  v1::LogLevels levels;
  if (state.words.size() == 1) {
    TRY(levels, client.Get<v1::LogLevels>(path));
  } else {
    if (state.words.size() > 3)
      return Usage("\"tessera logs level\" takes a module and a level, or a level");
    v1::SetLogLevelRequest request;
    if (state.words.size() == 3) request.set_module(state.words[1]);
    const std::string& name = state.words.back();
    const auto level = ParseLogLevel(name);
    if (!level && (name != "default" || request.module().empty()))
      return Usage(StrCat("\"", name,
                          "\" is none of debug, info, warning, error; \"default\" is for modules"));
    if (level) request.set_level(ToMessage(*level));
    TRY(levels, client.Post<v1::LogLevels>(path, request));
  }
  if (state.json) {
    std::printf("%s\n", MessageToJson(levels).c_str());
  } else {
    PrintLevels(levels);
  }
  return absl::OkStatus();
}

ExitCode Run(const State& state) {
  const bool levels = !state.words.empty();
  if (levels && state.words.front() != "level")
    return Fail(Usage(
        StrCat("\"tessera logs ", state.words.front(), "\": only \"level\" may stand there")));
  const Interrupt interrupt;
  auto client = AdminClient::Connect(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  const Status done = levels ? Levels(**client, state) : Show(**client, state, interrupt.token());
  return done.ok() ? ExitCode::kOk : Fail(done);
}

}  // namespace

Command LogsCommand() {
  auto state = std::make_shared<State>();
  Command command;
  command.name = "logs";
  command.summary = "shows what the platform's processes say; \"logs level\" changes how much";
  command.details =
      "Shows the last records of a running platform, of all its processes, in the order of their "
      "time. \"tessera logs level\" shows how much each module says, \"tessera logs level LEVEL\" "
      "and \"tessera logs level MODULE LEVEL\" change it at once in all processes, until the "
      "platform ends; the level \"default\" gives a module that of the others back. Where else "
      "records go: docs/logs.md.";
  command.arguments = {{.name = "level",
                        .doc = "Shows or changes levels, with a module and a level behind it.",
                        .target = &state->words,
                        .required = false,
                        .many = true}};
  command.options = {
      {.name = "--follow", .doc = "Goes on, until Ctrl-C.", .target = &state->follow},
      {.name = "--level",
       .value = "LEVEL",
       .doc = "Only records of this level and those above.",
       .target = &state->level,
       .words = kLevels},
      {.name = "--module",
       .value = "MODULE",
       .doc = "Only of this part of the program: edge, services/retrieval.",
       .target = &state->module},
      {.name = "--trace", .value = "ID", .doc = "Only of this trace.", .target = &state->trace},
      {.name = "--request",
       .value = "ID",
       .doc = "Only of this request, whose id every answer has as X-Request-Id.",
       .target = &state->request},
      {.name = "--text",
       .value = "TEXT",
       .doc = "Only those that have it in the message or a value, whatever the case.",
       .target = &state->text},
      {.name = "--process",
       .value = "NAME",
       .doc = "Only of this process: root, inference-0.",
       .target = &state->process},
      {.name = "--limit",
       .value = "N",
       .doc = "The last so many. Default: 200.",
       .target = &state->limit}};
  AddServerOptions(state->target, command.options);
  command.options.push_back(
      {.name = "--json", .doc = "Prints JSON, one object a line.", .target = &state->json});
  command.examples = {{"tessera logs --follow --level warning", "what goes wrong, as it happens"},
                      {"tessera logs --trace 4bf92f3577b34da6a3ce929d0e0e4736",
                       "all that was said about one request"},
                      {"tessera logs level services/retrieval debug", "details of one module"}};
  command.run = [state] { return Run(*state); };
  return command;
}

}  // namespace tessera
