#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "app/command.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "app/target.h"
#include "app/terminal.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "services/retrieval/backup.h"
#include "store/data_folder.h"

namespace tessera {
namespace {

struct BackupState {
  PlatformTarget target;
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

struct RestoreState {
  std::string data;
  bool replace = false;
  bool json = false;
  std::vector<std::string> folder;
};

// Moves the data folder out of the way, unless a process has it or there is nothing in it.
Result<std::string> MoveAside(const std::string& data) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::exists(data, error) || fs::is_empty(data, error)) return std::string();
  TRY(const DataFolder folder, DataFolder::Open(data));  // takes the lock, or says who has it
  char time[25];
  std::string stamp(Rfc3339(WallMillis(), time).substr(0, 19));
  std::erase(stamp, ':');
  std::string aside = StrCat(folder.path(), ".replaced-", stamp);
  fs::rename(folder.path(), aside, error);
  if (error)
    return absl::InternalError(StrCat("cannot move ", folder.path(), " aside: ", error.message()));
  return aside;
}

ExitCode RunRestore(const RestoreState& state) {
  const std::string data = state.data.empty() ? DefaultDataFolder() : state.data;
  const std::string& backup = state.folder.at(0);
  if (const Status whole = VerifyBackup(backup); !whole.ok())
    return Fail(WithExitCode(whole, ExitCode::kFailed));
  std::string aside;
  if (state.replace) {
    Result<std::string> moved = MoveAside(data);
    if (!moved.ok()) return Fail(moved.status());
    aside = *std::move(moved);
  }
  const Result<BackupSize> size = RestoreBackup(backup, data);
  if (!size.ok()) {
    std::error_code error;
    if (!aside.empty()) std::filesystem::rename(aside, data, error);
    return Fail(size.status());
  }
  if (state.json) {
    JsonWriter out;
    out.BeginObject()
        .Field("data", data)
        .Field("documents", size->documents)
        .Field("bytes", size->bytes)
        .Field("replaced", aside)
        .EndObject();
    std::printf("%s\n", out.text().c_str());
  } else {
    std::printf("%s documents (%s) are restored in %s\n", HumanCount(size->documents).c_str(),
                HumanBytes(size->bytes).c_str(), data.c_str());
    if (!aside.empty()) std::printf("what was there is in %s\n", aside.c_str());
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
      "Writes a consistent copy of all collections, documents and originals, of feature flags and "
      "topologies; keys and certificates are not in it. The folder must not be there yet; it is on "
      "the server's machine and appears only when it is whole.";
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
  auto state = std::make_shared<RestoreState>();
  Command command;
  command.name = "restore";
  command.summary = "makes a data folder from a backup";
  command.details =
      "Checks every file of the backup against its checksum, then copies it. The data folder must "
      "be empty or not be "
      "there; --replace moves one that is aside first (to DIR.replaced-…) and puts nothing in "
      "danger. A server that "
      "runs on the folder must be stopped before; servers on other folders keep serving.";
  command.options = {
      {.name = "--data",
       .value = "DIR",
       .doc =
           "The data folder to make. Default: $XDG_DATA_HOME/tessera, or ~/.local/share/tessera.",
       .target = &state->data,
       .completion = Completion::kFolder},
      {.name = "--replace",
       .doc = "Moves a data folder that is there aside.",
       .target = &state->replace},
      {.name = "--json", .doc = "Prints the result as JSON.", .target = &state->json}};
  command.arguments = {{.name = "FOLDER",
                        .doc = "The backup.",
                        .target = &state->folder,
                        .completion = Completion::kFolder}};
  command.examples = {
      {"tessera restore /var/backups/tessera-2026-11-23 --data ./restored", "into a new folder"},
      {"tessera restore --replace /var/backups/tessera-2026-11-23",
       "instead of what is there now"}};
  command.run = [state] { return RunRestore(*state); };
  return command;
}

}  // namespace tessera
