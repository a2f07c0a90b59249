// `tessera replay`: a recorded request again, by another model.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "app/admin_client.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "net/uri.h"
#include "tessera/v1/recordings.pb.h"

namespace tessera {
namespace {

constexpr std::string_view kApi = "/admin/v1/recordings";

struct State {
  PlatformTarget target;
  std::vector<std::string> id;
  std::string model;
  bool live = false;
  bool erase = false;
  bool json = false;
};

void PrintAnswer(std::string_view when, const v1::ReplayedAnswer& answer) {
  std::printf("%-8s %s\n", std::string(when).c_str(), answer.model().c_str());
  std::printf(
      "         %d passages, %d + %d tokens, first text after %.0f ms, whole after %.0f ms\n",
      static_cast<int>(answer.passages()), static_cast<int>(answer.usage().prompt_tokens()),
      static_cast<int>(answer.usage().completion_tokens()),
      static_cast<double>(answer.first_text_us()) / 1000,
      static_cast<double>(answer.duration_us()) / 1000);
  std::printf("\n%s\n\n", answer.text().c_str());
}

void Print(const v1::ReplayReply& reply) {
  const v1::Recording& recording = reply.recording();
  std::printf("question %s\n", recording.question().c_str());
  if (recording.redacted()) std::printf("         (secrets were taken out of what was recorded)\n");
  std::printf("\n");
  PrintAnswer("then", recording.answer());
  PrintAnswer("now", reply.answer());
  if (reply.same()) {
    std::printf("the answers are the same, letter for letter\n");
    return;
  }
  const std::string& then = recording.answer().text();
  const std::string& now = reply.answer().text();
  const auto end = std::mismatch(then.begin(), then.end(), now.begin(), now.end());
  std::printf("the answers differ from byte %d on\n", static_cast<int>(end.first - then.begin()));
}

Status List(AdminClient& client, const State& state) {
  TRY(const auto reply, client.Get<v1::ListRecordingsReply>(std::string(kApi)));
  if (state.json) {
    std::printf("%s\n", MessageToJson(reply).c_str());
    return absl::OkStatus();
  }
  if (reply.recordings().empty())
    std::printf("nothing is recorded (recordings.enabled in the configuration)\n");
  for (const v1::Recording& one : reply.recordings()) {
    char time[25];
    std::printf("%s  %s  %-12s %s\n", std::string(Rfc3339(one.recorded_ms(), time)).c_str(),
                one.id().c_str(), one.answer().model().c_str(),
                one.question().substr(0, 60).c_str());
  }
  return absl::OkStatus();
}

Status RunOne(AdminClient& client, const State& state) {
  const std::string path = StrCat(kApi, "/", PercentEncode(state.id.front()));
  if (state.erase) return client.Delete<v1::DeleteRecordingReply>(path).status();
  v1::ReplayRequest request;
  request.set_model(state.model);
  request.set_live(state.live);
  TRY(const auto reply, client.Post<v1::ReplayReply>(StrCat(path, "/replay"), request));
  if (state.json) {
    std::printf("%s\n", MessageToJson(reply).c_str());
  } else {
    Print(reply);
  }
  return absl::OkStatus();
}

ExitCode Run(const State& state) {
  const Interrupt interrupt;
  auto client = AdminClient::Connect(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  const Status done = state.id.empty() ? List(**client, state) : RunOne(**client, state);
  return done.ok() ? ExitCode::kOk : Fail(done);
}

}  // namespace

Command ReplayCommand() {
  auto state = std::make_shared<State>();
  Command command;
  command.name = "replay";
  command.summary = "gives a recorded request to another model, and shows both answers";
  command.details =
      "Runs a request again that was recorded (recordings.enabled in the configuration): with the "
      "passages that were found then, the same parameters and the same seed, so that only the "
      "model "
      "differs. Without an id the recordings are listed. What is recorded, and how one asks for "
      "it: "
      "docs/observability.md.";
  command.arguments = {{.name = "ID",
                        .doc = "A request's id, as every answer has it as X-Request-Id.",
                        .target = &state->id,
                        .required = false}};
  command.options = {
      {.name = "--model",
       .value = "NAME",
       .doc = "The model that is to answer. Default: the one that did.",
       .target = &state->model},
      {.name = "--live",
       .doc = "Retrieves and reranks anew, instead of what was found then.",
       .target = &state->live},
      {.name = "--delete", .doc = "Deletes the recording instead.", .target = &state->erase}};
  for (Option& option : TargetOptions(state->target)) {
    if (option.name != "--config") command.options.push_back(std::move(option));
  }
  command.options.push_back(
      {.name = "--json", .doc = "Prints the answer as JSON.", .target = &state->json});
  command.examples = {{"tessera replay", "what is recorded"},
                      {"tessera replay req_4bf92f35 --model qwen", "what another model says"}};
  command.run = [state] { return Run(*state); };
  return command;
}

}  // namespace tessera
