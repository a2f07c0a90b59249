#include <cstdio>
#include <memory>
#include <utility>

#include "app/command.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "app/target.h"
#include "app/terminal.h"
#include "base/json_writer.h"
#include "base/str.h"

namespace tessera {
namespace {

std::string KindOf(v1::ModelKind kind) {
  switch (kind) {
    case v1::MODEL_KIND_LANGUAGE:
      return "language";
    case v1::MODEL_KIND_EMBEDDER:
      return "embedder";
    case v1::MODEL_KIND_RERANKER:
      return "reranker";
    default:
      return "";
  }
}

ExitCode List(const Target& target, bool json) {
  const Interrupt interrupt;
  Result<std::unique_ptr<Client>> client = OpenClient(target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  const Result<v1::ListModelsReply> reply = (*client)->ListModels();
  if (!reply.ok()) return Fail(reply.status());
  if (!json) {
    std::printf("%-24s %-9s %-10s %8s  %s\n", "NAME", "KIND", "BACKEND", "CONTEXT", "NOTES");
    for (const v1::Model& model : reply->models()) {
      std::printf("%-24s %-9s %-10s %8u  %s%s%s\n", Printable(model.name(), 60).c_str(),
                  KindOf(model.kind()).c_str(), Printable(model.backend(), 20).c_str(),
                  model.context_tokens(), model.is_default() ? "default " : "",
                  model.demo() ? "demo " : "", Printable(model.description(), 60).c_str());
    }
    return ExitCode::kOk;
  }
  JsonWriter out;
  out.BeginObject().Key("models").BeginArray();
  for (const v1::Model& model : reply->models()) {
    out.BeginObject()
        .Field("name", model.name())
        .Field("kind", KindOf(model.kind()))
        .Field("backend", model.backend())
        .Field("digest", model.digest())
        .Field("dimension", model.dimension())
        .Field("context_tokens", model.context_tokens())
        .Field("is_default", model.is_default())
        .Field("demo", model.demo())
        .Field("description", model.description())
        .EndObject();
  }
  out.EndArray().EndObject();
  std::printf("%s\n", out.text().c_str());
  return ExitCode::kOk;
}

Command ListCommand() {
  struct State {
    Target target;
    bool json = false;
  };
  auto state = std::make_shared<State>();
  Command command;
  command.name = "list";
  command.summary = "lists the models that can be used";
  command.options = TargetOptions(state->target);
  command.options.push_back(
      {.name = "--json", .doc = "Prints them as JSON.", .target = &state->json});
  command.examples = {{"tessera models list", "the models of the running server"}};
  command.run = [state] { return List(state->target, state->json); };
  return command;
}

}  // namespace

Command ModelsCommand() {
  Command command;
  command.name = "models";
  command.summary = "lists, adds and removes models";
  command.commands = {ListCommand()};
  return command;
}

}  // namespace tessera
