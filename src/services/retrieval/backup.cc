#include "services/retrieval/backup.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "services/retrieval/schema.h"
#include "store/sqlite.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
constexpr char kSums[] = "SHA256SUMS";
// Of other parts of the platform, small and written in a way that a copy at any moment can be read.
// Keys, certificates and what is recorded stay where they are.
constexpr const char* kOthers[] = {"flags", "topology"};

Status SystemError(const char* what, const std::string& path, int error) {
  const std::string text = StrCat(what, " ", path, ": ", std::strerror(error));
  return error == ENOSPC || error == EDQUOT ? absl::ResourceExhaustedError(text)
                                            : absl::UnavailableError(text);
}

Result<std::string> Sha256Of(const std::string& path) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
  EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError("open", path, errno);
  std::vector<char> buffer(1 << 20);
  ssize_t size = 0;
  while ((size = ::read(fd, buffer.data(), buffer.size())) > 0)
    EVP_DigestUpdate(hash.get(), buffer.data(), static_cast<std::size_t>(size));
  const int error = errno;
  ::close(fd);
  if (size < 0) return SystemError("read", path, error);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_DigestFinal_ex(hash.get(), digest, &length);
  std::string hex;
  for (unsigned i = 0; i < length; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

Status CopyFile(const std::string& from, const std::string& to, bool may_link) {
  std::error_code error;
  fs::create_directories(fs::path(to).parent_path(), error);
  if (may_link && ::link(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (error) return SystemError("copy", from, error.value());
  return SyncFile(to);
}

Status RefuseUnlessEmpty(const std::string& folder, const char* what) {
  std::error_code error;
  if (!fs::exists(folder, error)) return absl::OkStatus();
  if (fs::is_directory(folder, error) && fs::is_empty(folder, error)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat(what, " ", folder, " exists and is not empty; choose a new one"));
}

// Gives `partial` its final name once all of it is on the disk.
Status PutInPlace(const std::string& partial, const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(partial, error))
    if (entry.is_directory()) TRY(SyncFolder(entry.path().string()));
  TRY(SyncFolder(partial));
  if (::rename(partial.c_str(), folder.c_str()) != 0) return SystemError("rename", partial, errno);
  return SyncFolder(fs::absolute(folder).parent_path().string());
}

Result<std::string> FreshPartial(std::string folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  std::string partial = folder + ".partial";
  std::error_code error;
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return SystemError("make folder", partial, error.value());
  fs::permissions(partial, fs::perms::owner_all, error);
  return partial;
}

struct Original {
  std::string path;
  std::string sha256;
};

Result<std::vector<Original>> OriginalsOf(SqliteConnection& db, BackupSize& size) {
  std::vector<Original> originals;
  TRY(const auto documents, db.QueryInt("SELECT count(*) FROM documents WHERE state = 1"));
  size.documents = static_cast<std::uint64_t>(documents.value_or(0));
  TRY(SqliteStatement rows, db.Prepare("SELECT DISTINCT original, sha256 FROM documents "
                                       "WHERE original <> '' AND state < 2 ORDER BY original"));
  for (;;) {
    TRY(const bool row, rows.Step());
    if (!row) return originals;
    originals.push_back({std::string(rows.Text(0)), std::string(rows.Text(1))});
  }
}

// The finished files of a folder, if there is one.
Status CopyFolder(const DataFolder& data, const std::string& name, const std::string& to,
                  std::string& sums, BackupSize& size) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data.Path(name), error)) {
    if (!entry.is_regular_file(error) || entry.path().extension() == ".new") continue;
    const std::string path = StrCat(name, "/", entry.path().filename().string());
    const std::string copy = StrCat(to, "/", path);
    TRY(CopyFile(data.Path(path), copy, false));
    TRY(const std::string sum, Sha256Of(copy));
    StrAppend(&sums, sum, "  ", path, "\n");
    size.bytes += fs::file_size(copy, error);
  }
  return absl::OkStatus();
}

}  // namespace

Result<BackupSize> WriteBackup(const DataFolder& data, const std::string& folder) {
  TRY(RefuseUnlessEmpty(folder, "the backup folder"));
  TRY(const std::string partial, FreshPartial(folder));
  const std::string database = partial + "/tessera.db";
  {
    TRY(auto source, SqliteConnection::Open(data.Path("tessera.db"), {.create = false}));
    TRY(source->Run("VACUUM INTO ?", database));
  }
  TRY(SyncFile(database));
  BackupSize size;
  std::vector<Original> originals;
  {
    TRY(auto copy, SqliteConnection::Open(database, {.read_only = true}));
    TRY(originals, OriginalsOf(*copy, size));
  }
  TRY(const std::string database_sum, Sha256Of(database));
  std::string sums = StrCat(database_sum, "  tessera.db\n");
  std::error_code error;
  size.bytes = fs::file_size(database, error);
  for (const Original& original : originals) {
    TRY(CopyFile(data.Path(original.path), StrCat(partial, "/", original.path), true));
    size.bytes += fs::file_size(StrCat(partial, "/", original.path), error);
    StrAppend(&sums, original.sha256, "  ", original.path, "\n");
  }
  for (const char* const other : kOthers) TRY(CopyFolder(data, other, partial, sums, size));
  std::ofstream file(StrCat(partial, "/", kSums));
  file << sums << std::flush;
  if (!file) return SystemError("write", StrCat(partial, "/", kSums), errno);
  file.close();
  TRY(SyncFile(StrCat(partial, "/", kSums)));
  fs::remove(folder, error);  // it is empty
  TRY(PutInPlace(partial, folder));
  return size;
}

Status VerifyBackup(const std::string& folder) {
  std::ifstream sums(StrCat(folder, "/", kSums));
  if (!sums)
    return absl::NotFoundError(StrCat(folder, ": is not a finished backup: it has no ", kSums));
  std::string line;
  bool database = false;
  while (std::getline(sums, line)) {
    if (line.size() < 67) return absl::DataLossError(StrCat(folder, "/", kSums, ": is damaged"));
    const std::string path = line.substr(66);
    if (path.find("..") != std::string::npos || path[0] == '/')
      return absl::DataLossError(StrCat(folder, "/", kSums, ": names a file outside"));
    database |= path == "tessera.db";
    TRY(const std::string sum, Sha256Of(StrCat(folder, "/", path)));
    if (sum != line.substr(0, 64))
      return absl::DataLossError(StrCat(folder, "/", path, ": differs from its checksum"));
  }
  if (!database) return absl::DataLossError(StrCat(folder, "/", kSums, ": has no tessera.db"));
  return absl::OkStatus();
}

Result<BackupSize> RestoreBackup(const std::string& backup, const std::string& data) {
  TRY(RefuseUnlessEmpty(data, "the data folder"));
  TRY(VerifyBackup(backup));
  TRY(const std::string partial, FreshPartial(data));
  BackupSize size;
  std::ifstream sums(StrCat(backup, "/", kSums));
  std::string line;
  std::error_code error;
  while (std::getline(sums, line)) {
    const std::string path = line.substr(66);
    TRY(CopyFile(StrCat(backup, "/", path), StrCat(partial, "/", path), false));
    size.bytes += fs::file_size(StrCat(partial, "/", path), error);
  }
  {
    TRY(auto db, SqliteConnection::Open(partial + "/tessera.db", {.create = false}));
    TRY(MigrateSqlite(*db, RetrievalMigrations()));
    TRY(SqliteStatement check, db->Prepare("PRAGMA quick_check"));
    TRY(const bool row, check.Step());
    if (!row || check.Text(0) != "ok")
      return absl::DataLossError(StrCat(backup, "/tessera.db: is damaged"));
    TRY(const auto documents, db->QueryInt("SELECT count(*) FROM documents WHERE state = 1"));
    size.documents = static_cast<std::uint64_t>(documents.value_or(0));
  }
  fs::remove(data, error);  // it is empty
  TRY(PutInPlace(partial, data));
  return size;
}

}  // namespace tessera
