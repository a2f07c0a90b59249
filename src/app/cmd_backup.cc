#include <cstdio>
#include <filesystem>
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

struct BackupState {
  Target target;
  bool json = false;
  std::vector<std::string> folder;
};

ExitCode RunBackup(const BackupState& state) {
  const Interrupt interrupt;
  Result<std::unique_ptr<Client>> client = OpenClient(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  // A server's own working folder means nothing to the person who types a relative path.
  const std::string folder =
      std::filesystem::absolute(state.folder.at(0)).lexically_normal().string();
  const Result<v1::BackupReply> reply = (*client)->Backup(folder);
  if (!reply.ok()) return Fail(WithExitCode(reply.status(), ExitCode::kFailed));
  if (state.json) {
    JsonWriter out;
    out.BeginObject()
        .Field("folder", folder)
        .Field("documents", reply->documents())
        .Field("bytes", reply->bytes())
        .EndObject();
    std::printf("%s\n", out.text().c_str());
  } else {
    std::printf("%s documents (%s) are saved in %s\n", HumanCount(reply->documents()).c_str(),
                HumanBytes(reply->bytes()).c_str(), folder.c_str());
  }
  return ExitCode::kOk;
}

}  // namespace

Command BackupCommand() {
  auto state = std::make_shared<BackupState>();
  Command command;
  command.name = "backup";
  command.summary = "saves everything into a new folder, while serving";
  command.details =
      "Writes a consistent copy of all collections, documents and originals. The folder must not "
      "be there yet; it is "
      "on the server's machine and appears only when it is whole.";
  command.options = TargetOptions(state->target);
  command.options.push_back(
      {.name = "--json", .doc = "Prints the result as JSON.", .target = &state->json});
  command.arguments = {{.name = "FOLDER",
                        .doc = "Where to save; must not be there yet.",
                        .target = &state->folder,
                        .completion = Completion::kFolder}};
  command.examples = {{"tessera backup /var/backups/tessera-$(date +%F)", "today's backup"}};
  command.run = [state] { return RunBackup(*state); };
  return command;
}

Command RestoreCommand() {
  struct State {
    std::string data;
    std::vector<std::string> folder;
  };
  auto state = std::make_shared<State>();
  Command command;
  command.name = "restore";
  command.summary = "makes a data folder from a backup";
  command.options = {{.name = "--data",
                      .value = "DIR",
                      .doc = "The data folder to make.",
                      .target = &state->data,
                      .completion = Completion::kFolder}};
  command.arguments = {{.name = "FOLDER",
                        .doc = "The backup.",
                        .target = &state->folder,
                        .completion = Completion::kFolder}};
  command.run = [state] { return Fail(absl::UnimplementedError("restore is not there yet")); };
  return command;
}

}  // namespace tessera
