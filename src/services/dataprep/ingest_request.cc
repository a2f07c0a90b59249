#include "services/dataprep/ingest_request.h"

#include <filesystem>
#include <set>
#include <utility>

#include "base/ids.h"
#include "base/str.h"
#include "net/uri.h"
#include "services/dataprep/utf8.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNameBytesMax = 1024;
constexpr std::size_t kUrlBytesMax = 8192;
constexpr int kMetadataMax = 16;  // OpenAI's limits on the attributes of a file
constexpr std::size_t kMetadataKeyMax = 64;
constexpr std::size_t kMetadataValueMax = 512;

bool LiesIn(const std::string& path, const std::string& folder) {
  std::error_code error;
  const fs::path file = fs::weakly_canonical(path, error);
  const fs::path parent = fs::weakly_canonical(folder, error);
  return !error && file.parent_path() == parent;
}

// "a.pdf", then "a (2).pdf": two sources of one name would replace each other.
std::string Unique(const std::string& name, std::set<std::string>& taken) {
  if (taken.insert(name).second) return name;
  const std::size_t slash = name.rfind('/');
  const std::size_t dot = name.rfind('.');
  const bool extension =
      dot != std::string::npos && dot > 0 && (slash == std::string::npos || dot > slash + 1);
  const std::size_t at = extension ? dot : name.size();
  for (int i = 2;; ++i) {
    std::string other = StrCat(name.substr(0, at), " (", i, ")", name.substr(at));
    if (taken.insert(other).second) return other;
  }
}

Status CheckMetadata(const v1::IngestRequest& request) {
  if (request.metadata_size() > kMetadataMax)
    return absl::InvalidArgumentError(StrCat("metadata: more than ", kMetadataMax, " entries"));
  for (const auto& [key, value] : request.metadata()) {
    if (key.empty() || key.size() > kMetadataKeyMax)
      return absl::InvalidArgumentError(
          StrCat("metadata: keys have 1 to ", kMetadataKeyMax, " bytes, not ", key.size()));
    if (value.size() > kMetadataValueMax)
      return absl::InvalidArgumentError(
          StrCat("metadata.", key, ": longer than ", kMetadataValueMax, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

Status CheckSource(const v1::Source& source, std::string_view field, const std::string& tmp) {
  const int given = !source.path().empty() + !source.url().empty() + !source.text().empty();
  if (given != 1) {
    return absl::InvalidArgumentError(
        StrCat(field, ": give exactly one of path, url and text; ", given, " were given"));
  }
  if (source.url().size() > kUrlBytesMax)
    return absl::InvalidArgumentError(StrCat(field, ".url: longer than ", kUrlBytesMax, " bytes"));
  if (!source.url().empty()) {
    const Result<Url> url = ParseUrl(source.url());
    if (!url.ok())
      return absl::InvalidArgumentError(StrCat(field, ".url: ", StdView(url.status().message())));
  }
  if (source.spooled() && !LiesIn(source.path(), tmp))
    return absl::InvalidArgumentError(StrCat(field, ".path: a spooled file must lie in ", tmp));
  return absl::OkStatus();
}

std::string NameOf(const v1::Source& source) {
  std::string name = source.name();
  if (name.empty() && !source.url().empty()) name = source.url();
  if (name.empty() && !source.path().empty()) name = fs::path(source.path()).filename().string();
  if (name.empty()) name = "text.txt";
  name = MakeValidUtf8(std::move(name));
  for (char& c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  if (name.size() > kNameBytesMax) name.resize(FloorBoundary(name, kNameBytesMax));
  return name;
}

Result<StoredJob> MakeJob(v1::IngestRequest request, const DataprepConfig& config,
                          const std::string& tmp) {
  if (request.sources_size() == 0)
    return absl::InvalidArgumentError("sources: at least one file, link or text is needed");
  if (static_cast<std::uint32_t>(request.sources_size()) > config.sources_max)
    return absl::InvalidArgumentError(StrCat("sources: ", request.sources_size(), " are above the ",
                                             config.sources_max,
                                             " of one job (sources_max); send several"));
  TRY(CheckMetadata(request));
  if (request.collection().empty()) request.set_collection("default");

  StoredJob stored;
  std::set<std::string> names;
  std::uint64_t bytes_total = 0;
  for (int i = 0; i < request.sources_size(); ++i) {
    v1::Source& source = *request.mutable_sources(i);
    TRY(CheckSource(source, StrCat("sources[", i, "]"), tmp));
    JobEntry entry;
    entry.progress.set_name(Unique(NameOf(source), names));
    entry.progress.set_state(v1::SOURCE_STATE_QUEUED);
    std::error_code unknown;
    const std::uint64_t bytes =
        source.path().empty() ? source.text().size() : fs::file_size(source.path(), unknown);
    if (!unknown) {
      entry.progress.set_bytes(bytes);
      bytes_total += bytes;
    }
    entry.source = std::move(source);
    stored.entries.push_back(std::move(entry));
  }
  request.clear_sources();
  stored.job.set_id(NewId("job_"));
  stored.job.set_collection(request.collection());
  stored.job.set_kind(v1::JOB_KIND_INGEST);
  stored.job.set_state(v1::JOB_STATE_QUEUED);
  stored.job.set_created_ms(WallMillis());
  stored.job.set_sources(static_cast<std::uint32_t>(stored.entries.size()));
  stored.job.set_bytes_total(bytes_total);
  stored.request = std::move(request);
  return stored;
}

void RemoveSpooled(const v1::IngestRequest& request, const std::string& tmp) {
  std::error_code ignored;
  for (const v1::Source& source : request.sources())
    if (source.spooled() && LiesIn(source.path(), tmp)) fs::remove(source.path(), ignored);
}

}  // namespace tessera
