#include <chrono>
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

struct ListState {
  PlatformTarget target;
  bool json = false;
};

void PrintTable(const v1::ListCollectionsReply& reply) {
  std::printf("%-24s %10s %10s %10s  %s\n", "NAME", "DOCUMENTS", "CHUNKS", "SIZE", "EMBEDDER");
  for (const v1::Collection& collection : reply.collections()) {
    std::printf("%-24s %10s %10s %10s  %s\n", Printable(collection.name(), 60).c_str(),
                HumanCount(collection.documents()).c_str(), HumanCount(collection.chunks()).c_str(),
                HumanBytes(collection.bytes()).c_str(),
                Printable(collection.embedder().model(), 40).c_str());
  }
}

ExitCode List(const ListState& state) {
  const Interrupt interrupt;
  Result<std::unique_ptr<Client>> client = OpenClient(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  const Result<v1::ListCollectionsReply> reply = (*client)->ListCollections();
  if (!reply.ok()) return FailCall(reply.status());
  if (!state.json) {
    PrintTable(*reply);
    return ExitCode::kOk;
  }
  JsonWriter out;
  out.BeginObject().Key("collections").BeginArray();
  for (const v1::Collection& collection : reply->collections()) {
    out.BeginObject()
        .Field("name", collection.name())
        .Field("id", collection.id())
        .Field("documents", collection.documents())
        .Field("chunks", collection.chunks())
        .Field("bytes", collection.bytes())
        .Field("embedder", collection.embedder().model())
        .Field("embedder_digest", collection.embedder().digest())
        .Field("dimension", collection.embedder().dimension())
        .EndObject();
  }
  out.EndArray().EndObject();
  std::printf("%s\n", out.text().c_str());
  return ExitCode::kOk;
}

Command ListCommand() {
  auto state = std::make_shared<ListState>();
  Command command;
  command.name = "list";
  command.summary = "lists the collections and what each is embedded by";
  command.options = TargetOptions(state->target);
  command.options.push_back(
      {.name = "--json", .doc = "Prints them as JSON.", .target = &state->json});
  command.examples = {{"tessera collections list", "the collections of the running server"}};
  command.run = [state] { return List(*state); };
  return command;
}

struct ReembedState {
  PlatformTarget target;
  std::string model;
  bool json = false;
  bool quiet = false;
  std::vector<std::string> name;
};

ExitCode Reembed(const ReembedState& state) {
  const auto start = std::chrono::steady_clock::now();
  const Interrupt interrupt;
  Result<std::unique_ptr<Client>> client = OpenClient(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  ProgressBar bar;
  const Result<IngestStatus> status =
      (*client)->Reembed(state.name.at(0), state.model, [&](const IngestStatus& now) {
        if (!state.quiet && !state.json) bar.Show(now);
      });
  bar.Clear();
  if (!status.ok()) return FailCall(status.status());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (status->failed > 0) {
    const std::string why = status->failures.empty() ? "" : status->failures.front().message;
    return Fail(
        WithExitCode(absl::UnavailableError(StrCat("the collection keeps its vectors: ", why)),
                     ExitCode::kFailed));
  }
  if (state.json) {
    JsonWriter out;
    out.BeginObject().Field("collection", state.name.at(0)).Field("chunks", status->chunks);
    out.Field("seconds", seconds.count()).EndObject();
    std::printf("%s\n", out.text().c_str());
  } else {
    std::printf("\"%s\" has new vectors: %s chunks, %s\n", state.name.at(0).c_str(),
                HumanCount(status->chunks).c_str(), HumanSeconds(seconds.count()).c_str());
  }
  return ExitCode::kOk;
}

Command ReembedCommand() {
  auto state = std::make_shared<ReembedState>();
  Command command;
  command.name = "reembed";
  command.summary = "makes the vectors of a collection anew with another embedder";
  command.details =
      "A collection belongs to one embedder: vectors of two never mix. After the configured "
      "embedder has changed, this moves a collection to it. Searches and questions go on with the "
      "old vectors meanwhile; at the end all change at once. Passages are not cut anew: where the "
      "new embedder reads much longer texts, ingest the documents into a new collection instead.\n"
      "Ctrl-C stops; what was made so far is used by the next run.";
  command.options = TargetOptions(state->target);
  command.options.push_back({.name = "--model",
                             .value = "NAME",
                             .doc = "The new embedder. Default: the configured one.",
                             .target = &state->model});
  command.options.push_back({.name = "--json",
                             .doc = "Prints the result as JSON, and no progress.",
                             .target = &state->json});
  command.options.push_back(
      {.name = "--quiet", .doc = "Prints no progress.", .target = &state->quiet, .letter = "-q"});
  command.arguments = {{.name = "COLLECTION", .doc = "Its name.", .target = &state->name}};
  command.examples = {
      {"tessera collections reembed default", "to the embedder that is configured now"},
      {"tessera collections reembed manual --model big-embedder", "to one of several"}};
  command.run = [state] { return Reembed(*state); };
  return command;
}

}  // namespace

Command CollectionsCommand() {
  Command command;
  command.name = "collections";
  command.summary = "lists collections, and moves them to another embedder";
  command.commands = {ListCommand(), ReembedCommand()};
  return command;
}

}  // namespace tessera
