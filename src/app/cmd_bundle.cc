// `tessera bundle`: an archive for those who help.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "app/archive_writer.h"
#include "app/bundle.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/str.h"

namespace tessera {
namespace {

struct State {
  PlatformTarget target;
  bool json = false;
  std::vector<std::string> file;
};

std::string DefaultName() {
  char time[25];
  std::string stamp(Rfc3339(WallMillis(), time).substr(0, 19));
  std::erase(stamp, ':');
  return StrCat("tessera-bundle-", stamp, ".tar.gz");
}

Status Write(const std::string& path, const std::vector<BundleFile>& files) {
  TRY(const std::unique_ptr<ArchiveWriter> archive, ArchiveWriter::Make(path));
  for (const BundleFile& file : files) TRY(archive->Add("tessera-bundle/" + file.name, file.text));
  return archive->Finish();
}

ExitCode RunBundle(const State& state) {
  const Interrupt interrupt;
  const Result<Patient> patient = FindPatient(state.target);
  if (!patient.ok()) return Fail(patient.status());
  const std::string path = state.file.empty() ? DefaultName() : state.file.front();
  const std::vector<BundleFile> files = CollectBundle(SystemCtx(interrupt.token()), *patient);
  const Status written = Write(path, files);
  if (!written.ok()) return Fail(WithExitCode(written, ExitCode::kFailed));
  const std::string full = std::filesystem::absolute(path).lexically_normal().string();
  if (state.json) {
    JsonWriter out;
    out.BeginObject().Field("file", full).Field("files", files.size()).EndObject();
    std::printf("%s\n", out.text().c_str());
  } else {
    std::printf("%s\nLook through it before you pass it on: its README.txt says what is in it.\n",
                full.c_str());
  }
  return ExitCode::kOk;
}

}  // namespace

Command BundleCommand() {
  auto state = std::make_shared<State>();
  Command command;
  command.name = "bundle";
  command.summary = "packs what helps to understand a fault into an archive";
  command.details =
      "Holds what \"tessera doctor\" finds, the configuration, facts about the machine, sizes in "
      "the data folder, and state and figures of the running server. No documents, questions or "
      "answers; keys and other secrets are taken out. Only you can read the file.";
  command.options = TargetOptions(state->target);
  command.options.push_back(
      {.name = "--json", .doc = "Prints the file's name as JSON.", .target = &state->json});
  command.arguments = {{.name = "FILE",
                        .doc = "Where to write it. Default: tessera-bundle-TIME.tar.gz, here.",
                        .target = &state->file,
                        .required = false,
                        .completion = Completion::kFile}};
  command.examples = {{"tessera bundle", "an archive in this folder"},
                      {"tessera bundle fault.tar.gz && tar -tzf fault.tar.gz", "what is in it"}};
  command.run = [state] { return RunBundle(*state); };
  return command;
}

}  // namespace tessera
