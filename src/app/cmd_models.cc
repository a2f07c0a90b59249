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
#include "store/model_store.h"

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

ExitCode List(const PlatformTarget& target, bool json) {
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
    PlatformTarget target;
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

// Adding and removing work on the data folder, which a server that runs looks into.
ModelStore StoreOf(const std::string& data) {
  return ModelStore(data.empty() ? DefaultDataFolder() : data);
}

Option DataOption(std::string* data) {
  return {.name = "--data",
          .value = "DIR",
          .doc = "The data folder. Default: $XDG_DATA_HOME/tessera, or ~/.local/share/tessera.",
          .target = data,
          .completion = Completion::kFolder};
}

struct AddState {
  std::string data;
  ModelStore::AddOptions options;
  bool keep_default = false;
  bool json = false;
  std::vector<std::string> file;
};

ExitCode Add(const AddState& state) {
  ModelStore::AddOptions options = state.options;
  options.make_default = !state.keep_default;
  const Result<StoredModel> model = StoreOf(state.data).Add(state.file.at(0), std::move(options));
  if (!model.ok()) return Fail(WithExitCode(model.status(), ExitCode::kFailed));
  if (state.json) {
    JsonWriter out;
    out.BeginObject()
        .Field("name", model->name)
        .Field("kind", model->kind)
        .Field("architecture", model->architecture)
        .Field("context_tokens", model->context_tokens)
        .Field("sha256", model->sha256)
        .Field("bytes", model->bytes)
        .Field("is_default", model->is_default)
        .EndObject();
    std::printf("%s\n", out.text().c_str());
  } else {
    std::printf("added %s: %s, %s, %s tokens of context%s\n", model->name.c_str(),
                Printable(model->architecture, 40).c_str(), HumanBytes(model->bytes).c_str(),
                HumanCount(model->context_tokens).c_str(),
                model->is_default ? "; it answers from now on" : "");
  }
  return ExitCode::kOk;
}

Command AddCommand() {
  auto state = std::make_shared<AddState>();
  Command command;
  command.name = "add";
  command.summary = "adds a model of your own: a GGUF file";
  command.details =
      "Checks the file, copies it into the data folder and makes it the default language model. "
      "Any chat model that "
      "llama.cpp runs will do; one of one to eight thousand million parameters, quantised to four "
      "bits, answers "
      "well on a normal machine. A server that runs uses it at once. Models behind an "
      "OpenAI-compatible "
      "server need no file: see services.inference in docs/configuration.md.";
  command.options = {
      DataOption(&state->data),
      {.name = "--name",
       .value = "NAME",
       .doc = "How it will be called. Default: from the file's name.",
       .target = &state->options.name},
      {.name = "--sha256",
       .value = "SUM",
       .doc = "Refuses a file that has another SHA-256.",
       .target = &state->options.sha256},
      {.name = "--description",
       .value = "TEXT",
       .doc = "What is said about it. Default: the name inside the file.",
       .target = &state->options.description},
      {.name = "--keep-default",
       .doc = "Does not make it the default.",
       .target = &state->keep_default},
      {.name = "--json", .doc = "Prints the result as JSON.", .target = &state->json}};
  command.arguments = {{.name = "FILE",
                        .doc = "The GGUF file.",
                        .target = &state->file,
                        .completion = Completion::kFile}};
  command.examples = {{"tessera models add qwen2.5-3b-instruct-q4_k_m.gguf",
                       "answers are written by it from now on"},
                      {"tessera models add --name big --keep-default big.gguf",
                       "for requests that name it: model \"big\" in the OpenAI interface"}};
  command.run = [state] { return Add(*state); };
  return command;
}

Command RemoveCommand() {
  struct State {
    std::string data;
    std::vector<std::string> name;
  };
  auto state = std::make_shared<State>();
  Command command;
  command.name = "remove";
  command.summary = "removes a model that was added";
  command.options = {DataOption(&state->data)};
  command.arguments = {{.name = "NAME", .doc = "Its name.", .target = &state->name}};
  command.examples = {{"tessera models remove big", "frees its space"}};
  command.run = [state] {
    const Status status = StoreOf(state->data).Remove(state->name.at(0));
    if (!status.ok()) return Fail(WithExitCode(status, ExitCode::kFailed));
    std::printf("removed %s\n", state->name.at(0).c_str());
    return ExitCode::kOk;
  };
  return command;
}

}  // namespace

Command ModelsCommand() {
  Command command;
  command.name = "models";
  command.summary = "lists, adds and removes models";
  command.commands = {ListCommand(), AddCommand(), RemoveCommand()};
  return command;
}

}  // namespace tessera
