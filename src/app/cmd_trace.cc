// `tessera trace`: what a request did, part by part.
#include <cstdio>
#include <memory>
#include <utility>

#include "app/admin_client.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "app/telemetry.h"
#include "net/uri.h"
#include "tessera/v1/traces.pb.h"
#include "traces/trace_store.h"
#include "traces/trace_tree.h"

namespace tessera {
namespace {

constexpr std::string_view kApi = "/admin/v1/traces";

struct State {
  PlatformTarget target;
  std::vector<std::string> id;
  bool json = false;
  bool brief = false;
  bool errors = false;
};

// The file itself, where no server runs on the folder.
Result<std::unique_ptr<TraceStore>> OpenFile(const State& state) {
  return TraceStore::OpenReadOnly(
      TraceFile(state.target.data.empty() ? DefaultDataFolder() : state.target.data));
}

Result<v1::Trace> Get(const State& state, CancelToken cancel) {
  const std::string& id = state.id.front();
  auto client = AdminClient::Connect(state.target, std::move(cancel));
  if (client.ok()) return (*client)->Get<v1::Trace>(StrCat(kApi, "/", PercentEncode(id)));
  if (!absl::IsNotFound(client.status())) return client.status();
  TRY(const auto store, OpenFile(state));
  return store->Get(id);
}

Result<v1::ListTracesReply> List(const State& state, CancelToken cancel) {
  auto client = AdminClient::Connect(state.target, std::move(cancel));
  if (client.ok())
    return (*client)->Get<v1::ListTracesReply>(
        StrCat(kApi, "?limit=20", state.errors ? "&error=true" : ""));
  if (!absl::IsNotFound(client.status())) return client.status();
  TRY(const auto store, OpenFile(state));
  v1::ListTracesRequest request;
  request.set_limit(20);
  request.set_error(state.errors);
  return store->List(request);
}

void PrintList(const v1::ListTracesReply& reply) {
  if (reply.traces().empty()) std::printf("no traces are kept\n");
  for (const v1::Trace& trace : reply.traces()) {
    char time[25];
    std::printf("%s  %s  %9.1f ms  %3d  %-8s %s\n",
                std::string(Rfc3339(trace.start_us() / 1000, time)).c_str(),
                trace.trace_id().c_str(), static_cast<double>(trace.duration_ns()) / 1e6,
                trace.http_status(), trace.reason().c_str(), trace.route().c_str());
  }
}

ExitCode Run(const State& state) {
  const Interrupt interrupt;
  if (state.id.empty()) {
    const auto reply = List(state, interrupt.token());
    if (!reply.ok()) return Fail(reply.status());
    if (state.json) {
      std::printf("%s\n", MessageToJson(*reply).c_str());
    } else {
      PrintList(*reply);
    }
    return ExitCode::kOk;
  }
  const auto trace = Get(state, interrupt.token());
  if (!trace.ok()) return Fail(trace.status());
  if (state.json) {
    std::printf("%s\n", MessageToJson(*trace).c_str());
  } else {
    std::fputs(TraceTree(*trace, !state.brief).c_str(), stdout);
  }
  return ExitCode::kOk;
}

}  // namespace

Command TraceCommand() {
  auto state = std::make_shared<State>();
  Command command;
  command.name = "trace";
  command.summary = "shows what a request did, part by part and process by process";
  command.details =
      "Names a request by its id, which every answer has as X-Request-Id, or by its trace id. "
      "Without a name the newest traces are listed. Works while the server runs and when it does "
      "not. What is kept, and for how long: docs/observability.md.";
  command.arguments = {{.name = "ID",
                        .doc = "A request's id or a trace's; none lists the newest.",
                        .target = &state->id,
                        .required = false,
                        .completion = Completion::kNone}};
  AddServerOptions(state->target, command.options);
  command.options.push_back(
      {.name = "--json", .doc = "Prints the answer as JSON.", .target = &state->json});
  command.options.push_back(
      {.name = "--brief", .doc = "Leaves attributes out.", .target = &state->brief});
  command.options.push_back(
      {.name = "--errors", .doc = "Lists only what failed.", .target = &state->errors});
  command.examples = {{"tessera trace 4bf92f3577b34da6a3ce929d0e0e4736", "the tree of one trace"},
                      {"tessera trace --errors", "what failed lately"}};
  command.run = [state] { return Run(*state); };
  return command;
}

}  // namespace tessera
