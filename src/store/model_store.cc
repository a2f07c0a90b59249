#include "store/model_store.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include <openssl/evp.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "store/data_folder.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr double kSettledSeconds = 0.1;  // far more than the grain of the file system's times

// Copies the file and tells the SHA-256 of what was written.
Result<std::string> CopyHashed(const std::string& from, const std::string& to) {
  std::ifstream in(from, std::ios::binary);
  std::ofstream out(to, std::ios::binary | std::ios::trunc);
  if (!in || !out) return absl::NotFoundError(StrCat("cannot copy ", from, " to ", to));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
  EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr);
  std::vector<char> buffer(1 << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
    EVP_DigestUpdate(hash.get(), buffer.data(), static_cast<std::size_t>(in.gcount()));
    if (!out.write(buffer.data(), in.gcount()))
      return absl::ResourceExhaustedError(StrCat("cannot write ", to, "; is the disk full?"));
  }
  out.close();
  if (in.bad() || !out)
    return absl::ResourceExhaustedError(StrCat("cannot write ", to, "; is the disk full?"));
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

std::string ReadSmallFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(64 << 10, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  return text;
}

Status WriteSmallFile(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) return absl::ResourceExhaustedError(StrCat("cannot write ", path));
  file.close();
  return SyncFile(path);
}

std::string Manifest(const StoredModel& model) {
  JsonWriter json;
  json.BeginObject()
      .Field("name", model.name)
      .Field("kind", model.kind)
      .Field("format", "gguf")
      .Field("sha256", model.sha256)
      .Field("bytes", model.bytes)
      .Field("architecture", model.architecture)
      .Field("context_tokens", model.context_tokens)
      .Field("description", model.description)
      .EndObject();
  return json.Take() + "\n";
}

Result<StoredModel> ReadManifest(const std::string& folder) {
  TRY(const JsonDocument document, JsonDocument::Parse(ReadSmallFile(folder + "/manifest.json")));
  JsonErrors errors;
  JsonFields fields(document.root(), "", errors);
  StoredModel model;
  std::int64_t bytes = 0, context = 0;
  fields.String("name", &model.name);
  fields.String("kind", &model.kind);
  fields.String("sha256", &model.sha256);
  fields.Int("bytes", &bytes);
  fields.String("architecture", &model.architecture);
  fields.Int("context_tokens", &context);
  fields.String("description", &model.description);
  TRY(errors.status());
  model.bytes = static_cast<std::uint64_t>(bytes);
  model.context_tokens = static_cast<std::uint64_t>(context);
  model.path = folder + "/model.gguf";
  return model;
}

// "Llama-3.2-1B-Instruct-Q4_K_M.gguf" -> "llama-3.2-1b-instruct-q4_k_m".
std::string NameFrom(const std::string& file) {
  std::string name;
  for (const char c : fs::path(file).stem().string()) {
    const char low = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool fine = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9') || low == '.' ||
                      low == '_' || low == '-';
    if (name.size() < 64) name += fine ? low : '-';
  }
  while (!name.empty() && !std::isalnum(static_cast<unsigned char>(name.front()))) name.erase(0, 1);
  return name;
}

bool IsEmbedder(const std::string& architecture) {
  return architecture.find("bert") != std::string::npos;
}

}  // namespace

bool IsModelName(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return letter(name.front()) && std::all_of(name.begin(), name.end(), [&](char c) {
           return letter(c) || c == '.' || c == '_' || c == '-';
         });
}

std::string ModelStore::DefaultName() const {
  std::string name = ReadSmallFile(root_ + "/default");
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

// Models come and go by renaming their folders, so the root's time tells; the default is a file.
std::optional<std::string> ModelStore::Version() const {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::string version;
  for (const std::string& path : {root_, root_ + "/default"}) {
    struct stat found = {};
    if (::stat(path.c_str(), &found) != 0) {
      version += "-;";
      continue;
    }
    const timespec& changed = found.st_mtim;
    const double age = static_cast<double>(now.tv_sec - changed.tv_sec) +
                       static_cast<double>(now.tv_nsec - changed.tv_nsec) / 1e9;
    if (age < kSettledSeconds) return std::nullopt;
    StrAppend(&version, found.st_ino, ".", changed.tv_sec, ".", changed.tv_nsec, ";");
  }
  return version;
}

Result<std::vector<StoredModel>> ModelStore::List() const {
  std::vector<StoredModel> models;
  std::error_code error;
  const std::string preferred = DefaultName();
  for (fs::directory_iterator it(root_, error), end; !error && it != end; it.increment(error)) {
    Result<StoredModel> model = ReadManifest(it->path().string());
    if (!model.ok() || model->name != it->path().filename().string()) continue;
    model->is_default = model->name == preferred;
    models.push_back(*std::move(model));
  }
  std::sort(models.begin(), models.end(),
            [](const StoredModel& a, const StoredModel& b) { return a.name < b.name; });
  return models;
}

Result<StoredModel> ModelStore::Add(const std::string& file, AddOptions options) const {
  TRY(const GgufHead head, ReadGgufHead(file));
  StoredModel model;
  model.name = options.name.empty() ? NameFrom(file) : std::move(options.name);
  if (!IsModelName(model.name))
    return absl::InvalidArgumentError(
        StrCat("\"", model.name, "\" is no model name; use a-z, 0-9, '.', '_' and '-'"));
  const std::string folder = StrCat(root_, "/", model.name);
  std::error_code error;
  if (fs::exists(folder, error))
    return absl::AlreadyExistsError(
        StrCat("there is a model \"", model.name, "\"; choose another --name or remove it"));
  const std::string partial = StrCat(root_, "/.partial-", model.name);
  fs::remove_all(partial, error);
  fs::create_directories(partial, error);
  if (error) return absl::InternalError(StrCat("cannot make ", partial, ": ", error.message()));

  model.kind = IsEmbedder(head.architecture) ? "embedder" : "language";
  model.architecture = head.architecture;
  model.context_tokens = head.context_tokens;
  model.description = options.description.empty() ? head.name : options.description;
  Result<std::string> sum = CopyHashed(file, partial + "/model.gguf");
  Status status = sum.status();
  if (status.ok() && !options.sha256.empty() && *sum != options.sha256)
    status = absl::DataLossError(
        StrCat(file, ": has the SHA-256 ", *sum, ", not the one asked for; fetch it again"));
  if (status.ok()) {
    model.sha256 = *std::move(sum);
    model.bytes = fs::file_size(partial + "/model.gguf", error);
    status = SyncFile(partial + "/model.gguf");
  }
  if (status.ok()) status = WriteSmallFile(partial + "/manifest.json", Manifest(model));
  if (status.ok()) {
    fs::rename(partial, folder, error);
    if (error) status = absl::InternalError(StrCat("cannot make ", folder, ": ", error.message()));
  }
  if (!status.ok()) {
    fs::remove_all(partial, error);
    return status;
  }
  TRY(SyncFolder(root_));
  model.path = folder + "/model.gguf";
  model.is_default = options.make_default && model.kind == "language";
  if (model.is_default) TRY(WriteSmallFile(root_ + "/default", model.name + "\n"));
  return model;
}

Status ModelStore::Remove(const std::string& name) const {
  const std::string folder = StrCat(root_, "/", name);
  std::error_code error;
  if (!IsModelName(name) || !fs::exists(folder + "/manifest.json", error))
    return absl::NotFoundError(StrCat("there is no added model \"", name, "\""));
  if (DefaultName() == name) fs::remove(root_ + "/default", error);
  // Renamed first, so that a server that starts now sees all of it or nothing.
  const std::string gone = StrCat(root_, "/.removed-", name);
  fs::remove_all(gone, error);
  fs::rename(folder, gone, error);
  if (error) return absl::InternalError(StrCat("cannot remove ", folder, ": ", error.message()));
  fs::remove_all(gone, error);
  return SyncFolder(root_);
}

}  // namespace tessera
