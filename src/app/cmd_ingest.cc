#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>

#include "app/command.h"
#include "app/commands.h"
#include "app/file_walk.h"
#include "app/interrupt.h"
#include "app/target.h"
#include "app/terminal.h"
#include "base/json_writer.h"
#include "base/str.h"

namespace tessera {
namespace {

struct IngestState {
  PlatformTarget target;
  std::string collection = "default";
  bool json = false;
  bool quiet = false;
  std::vector<std::string> paths;
};

void PrintSkipped(const WalkResult& walk) {
  for (const auto& [reason, count] : walk.skipped)
    std::fprintf(stderr, "left out: %s × %s\n", HumanCount(count).c_str(),
                 Printable(reason).c_str());
}

std::string ToJson(const IngestStatus& status, const WalkResult& walk, const IngestState& state,
                   double seconds) {
  JsonWriter json;
  json.BeginObject()
      .Field("collection", state.collection)
      .Field("files", status.files)
      .Field("succeeded", status.done - status.failed)
      .Field("failed", status.failed)
      .Field("unchanged", status.unchanged)
      .Field("chunks", status.chunks)
      .Field("bytes", status.bytes_total)
      .Field("seconds", seconds);
  json.Key("errors").BeginArray();
  for (const IngestFailure& failure : status.failures) {
    json.BeginObject()
        .Field("name", failure.name)
        .Field("code", failure.code)
        .Field("message", failure.message)
        .EndObject();
  }
  json.EndArray().Key("skipped").BeginObject();
  for (const auto& [reason, count] : walk.skipped) json.Field(reason, count);
  json.EndObject().EndObject();
  return json.Take() + "\n";
}

void PrintReport(const IngestStatus& status, const IngestState& state, double seconds) {
  for (const IngestFailure& failure : status.failures)
    std::fprintf(stderr, "failed: %s: %s (%s)\n", Printable(failure.name).c_str(),
                 Printable(failure.message).c_str(), Printable(failure.code).c_str());
  if (status.failures.size() < status.failed)
    std::fprintf(stderr, "failed: %s more\n",
                 HumanCount(status.failed - status.failures.size()).c_str());
  std::printf(
      "%s documents (%s, %s chunks) are searchable in \"%s\"%s; %s failed; %s\n",
      HumanCount(status.done - status.failed).c_str(), HumanBytes(status.bytes_total).c_str(),
      HumanCount(status.chunks).c_str(), state.collection.c_str(),
      status.unchanged > 0 ? StrCat(" (", HumanCount(status.unchanged), " unchanged)").c_str() : "",
      HumanCount(status.failed).c_str(), HumanSeconds(seconds).c_str());
}

ExitCode RunIngest(const IngestState& state) {
  const auto start = std::chrono::steady_clock::now();
  const Interrupt interrupt;
  Result<WalkResult> walk = WalkPaths(state.paths);
  if (!walk.ok()) return Fail(WithExitCode(walk.status(), ExitCode::kFailed));
  if (!state.quiet && !state.json) PrintSkipped(*walk);
  if (walk->files.empty() && walk->links.empty())
    return Fail(absl::NotFoundError("no document found in what was named; see \"left out\" above"));

  Result<std::unique_ptr<Client>> client = OpenClient(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  ProgressBar bar;
  const IngestInput input{state.collection, walk->files, walk->links};
  const Result<IngestStatus> status = (*client)->Ingest(input, [&](const IngestStatus& now) {
    if (!state.quiet && !state.json) bar.Show(now);
  });
  bar.Clear();
  if (!status.ok()) return FailCall(status.status());

  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (state.json) {
    std::fputs(ToJson(*status, *walk, state, seconds.count()).c_str(), stdout);
  } else {
    PrintReport(*status, state, seconds.count());
  }
  return status->failed == 0 ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

Command IngestCommand() {
  auto state = std::make_shared<IngestState>();
  Command command;
  command.name = "ingest";
  command.summary = "makes files, folders and web pages searchable";
  command.details =
      "Reads PDF, DOCX, PPTX, HTML, Markdown, CSV, JSON, plain text, source code, EML and ZIP of "
      "these. Folders are "
      "walked; hidden files, version control, node_modules and unknown kinds are left out and "
      "counted. A file that "
      "is named itself is always tried.\n"
      "Returns when everything is searchable. Files that are there already, unchanged, cost "
      "nothing; changed ones "
      "replace their document. One bad file never stops the others: it is named at the end, and "
      "the exit code is 1. "
      "Ctrl-C stops; what was finished stays.";
  command.options = TargetOptions(state->target);
  command.options.push_back({.name = "--collection",
                             .value = "NAME",
                             .doc = "Where to put them; made if it is missing. Default: default.",
                             .target = &state->collection,
                             .letter = "-c"});
  command.options.push_back({.name = "--json",
                             .doc = "Prints the result as JSON, and no progress.",
                             .target = &state->json});
  command.options.push_back(
      {.name = "--quiet", .doc = "Prints no progress.", .target = &state->quiet, .letter = "-q"});
  command.arguments = {{.name = "PATH",
                        .doc = "Files, folders, or http(s) URLs.",
                        .target = &state->paths,
                        .many = true,
                        .completion = Completion::kFile}};
  command.examples = {
      {"tessera ingest ~/Documents", "everything in a folder, into the collection \"default\""},
      {"tessera ingest --collection manual manual.pdf https://example.org/faq.html",
       "a file and a web page, into a collection of their own"},
      {"tessera ingest --url http://host:8080 --key \"$KEY\" --json reports/ | jq .errors",
       "to a server, and only what went wrong"}};
  command.run = [state] { return RunIngest(*state); };
  return command;
}

}  // namespace tessera
