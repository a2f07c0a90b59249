// The data folder: room, rights, keys, stores, models.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "app/doctor.h"
#include "base/str.h"
#include "store/model_store.h"
#include "store/sqlite.h"

namespace tessera {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr std::uint64_t kFreeMin = kGiB / 2;
constexpr std::uint64_t kFreeComfortable = 4 * kGiB;

void CheckDisk(const std::string& folder, Report& report) {
  struct statvfs disk = {};
  if (::statvfs(folder.c_str(), &disk) != 0) {
    report.Bad("disk", StrCat("cannot look at ", folder, ": ", std::strerror(errno)),
               "check that its file system is mounted");
    return;
  }
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  const std::string seen = StrCat(free / kGiB, ".", free % kGiB * 10 / kGiB, " GiB free");
  constexpr char kRemedy[] =
      "make room, or move the data folder: uploads are refused when it is full";
  if (free < kFreeMin || (disk.f_files > 0 && disk.f_favail == 0)) {
    report.Bad("disk", seen, kRemedy);
  } else if (free < kFreeComfortable) {
    report.Warning("disk", seen, kRemedy);
  } else {
    report.Good("disk", seen);
  }
}

// True when the folder is there.
bool CheckFolder(const std::string& data, Report& report) {
  struct stat found = {};
  if (::stat(data.c_str(), &found) != 0) {
    if (errno == ENOENT) {
      report.Good("data folder", StrCat(data, ": not there yet, made at first start"));
    } else {
      report.Bad("data folder", StrCat(data, ": ", std::strerror(errno)),
                 "name another one with --data, or mend its rights");
    }
    return false;
  }
  if (!S_ISDIR(found.st_mode)) {
    report.Bad("data folder", StrCat(data, " is no folder"), "name another one with --data");
    return false;
  }
  if (::access(data.c_str(), R_OK | W_OK | X_OK) != 0) {
    report.Bad("data folder", StrCat(data, ": ", std::strerror(errno)),
               StrCat("it belongs to user ", found.st_uid, ": run as that user, or chown it"));
    return false;
  }
  if ((found.st_mode & 077) != 0) {
    report.Warning("data folder", StrCat(data, " can be entered by other users"),
                   StrCat("chmod 700 ", data));
  } else {
    report.Good("data folder", data);
  }
  return true;
}

void CheckKey(const std::string& data, Report& report) {
  const std::string path = data + "/owner.key";
  struct stat found = {};
  if (::stat(path.c_str(), &found) != 0) {
    report.Good("owner key", "not there yet, made at first start");
  } else if ((found.st_mode & 077) != 0) {
    report.Bad("owner key", StrCat(path, " can be read by other users"),
               StrCat("chmod 600 ", path, "; if others may have read it, remove it and restart"));
  } else {
    report.Good("owner key", "only its owner can read it");
  }
}

Status QuickCheck(const std::string& path) {
  TRY(const std::unique_ptr<SqliteConnection> store,
      SqliteConnection::Open(path, {.read_only = true, .create = false}));
  TRY(SqliteStatement check, store->Prepare("PRAGMA quick_check(1)"));
  TRY(const bool row, check.Step());
  if (row && check.Text(0) != "ok") return absl::DataLossError(std::string(check.Text(0)));
  return absl::OkStatus();
}

void CheckStore(const std::string& data, std::string_view name, Report& report) {
  const std::string path = StrCat(data, "/", name);
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) return;  // made when first needed
  const Status whole = QuickCheck(path);
  if (whole.ok()) {
    report.Good(name, StrCat("whole, ", (bytes + (1 << 20) - 1) >> 20, " MiB"));
  } else {
    report.Bad(name, std::string(whole.message()),
               "restore a backup (tessera restore); keep a copy of the folder first");
  }
}

void CheckModels(const std::string& data, Report& report) {
  const Result<std::vector<StoredModel>> models = ModelStore(data).List();
  if (!models.ok()) {
    report.Bad("models", std::string(models.status().message()), "mend the rights of DATA/models");
    return;
  }
  for (const StoredModel& model : *models) {
    const std::string check = StrCat("model ", model.name);
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(model.path, error);
    const std::string remedy =
        StrCat("tessera models remove ", model.name, ", and add it again from its file");
    if (error || bytes != model.bytes) {
      report.Bad(check, StrCat(model.path, " is not the file that was added"), remedy);
    } else if (const auto head = ReadGgufHead(model.path); !head.ok()) {
      report.Bad(check, std::string(head.status().message()), remedy);
    } else {
      report.Good(check, StrCat(head->architecture, ", ", bytes >> 20, " MiB"));
    }
  }
}

}  // namespace

void CheckData(const std::string& data, Report& report) {
  if (!CheckFolder(data, report)) {
    std::filesystem::path parent = std::filesystem::absolute(data);
    std::error_code ignored;
    while (!std::filesystem::exists(parent, ignored) && parent.has_relative_path())
      parent = parent.parent_path();
    CheckDisk(parent.string(), report);
    return;
  }
  CheckDisk(data, report);
  CheckKey(data, report);
  for (const std::string_view store : {"tessera.db", "jobs.db"}) CheckStore(data, store, report);
  CheckModels(data, report);
}

}  // namespace tessera
