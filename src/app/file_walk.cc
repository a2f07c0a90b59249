#include "app/file_walk.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>

#include "base/str.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// Documents first, then source code: what dataprep extracts text from.
constexpr std::string_view kKinds[] = {
    "pdf",  "docx",  "pptx",   "html", "htm",   "xhtml", "md",  "markdown", "csv",   "tsv",
    "json", "jsonl", "ndjson", "txt",  "text",  "log",   "rst", "adoc",     "org",   "tex",
    "eml",  "zip",   "xml",    "yaml", "yml",   "toml",  "ini", "cfg",      "conf",  "c",
    "h",    "cc",    "hh",     "cpp",  "hpp",   "cxx",   "cs",  "css",      "go",    "java",
    "js",   "jsx",   "kt",     "lua",  "m",     "mjs",   "php", "pl",       "proto", "ps1",
    "py",   "r",     "rb",     "rs",   "scala", "sh",    "sql", "swift",    "ts",    "tsx",
    "vue",  "zig",   "cmake",  "dart", "ex",    "exs",   "erl", "hs",       "jl",    "tf",
};
constexpr std::string_view kImages[] = {"png", "jpg", "jpeg", "tif", "tiff", "webp"};
constexpr std::string_view kFolders[] = {"node_modules", "__pycache__", "venv", "CVS"};

template <std::size_t N>
bool Holds(const std::string_view (&list)[N], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

std::string KindOf(const fs::path& path) {
  std::string kind = path.extension().string();
  if (!kind.empty()) kind.erase(0, 1);
  for (char& c : kind) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return kind;
}

// Walks one folder after the other into the result.
class Walker {
 public:
  Walker(WalkResult& result, std::size_t files_max) : result_(result), files_max_(files_max) {}

  Status Folder(const fs::path& root) {
    std::error_code error;
    fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, error);
    if (error) return absl::PermissionDeniedError(StrCat(root.string(), ": ", error.message()));
    const std::size_t first = result_.files.size();
    for (; it != fs::recursive_directory_iterator(); it.increment(error)) {
      if (error) return absl::InternalError(StrCat(root.string(), ": ", error.message()));
      TRY(Entry(root, it));
    }
    std::sort(result_.files.begin() + static_cast<std::ptrdiff_t>(first), result_.files.end(),
              [](const IngestFile& a, const IngestFile& b) { return a.name < b.name; });
    return absl::OkStatus();
  }

  Status File(const fs::path& path, std::string name) {
    if (result_.files.size() >= files_max_)
      return absl::ResourceExhaustedError(
          StrCat("more than ", files_max_, " files; ingest them in parts"));
    std::error_code error;
    const auto bytes = fs::file_size(path, error);
    if (error) return absl::NotFoundError(StrCat(path.string(), ": ", error.message()));
    result_.files.push_back(
        {fs::absolute(path).lexically_normal().string(), std::move(name), bytes});
    return absl::OkStatus();
  }

 private:
  Status Entry(const fs::path& root, fs::recursive_directory_iterator& it) {
    std::error_code error;
    const fs::path& path = it->path();
    const std::string leaf = path.filename().string();
    const bool folder = it->is_directory(error) && !it->is_symlink(error);
    if (leaf.starts_with(".")) {
      if (folder) it.disable_recursion_pending();
      return Skip("hidden");
    }
    if (folder) {
      if (!Holds(kFolders, leaf)) return absl::OkStatus();
      it.disable_recursion_pending();
      return Skip(StrCat("folder ", leaf));
    }
    if (!it->is_regular_file(error)) return Skip("neither file nor folder");
    const std::string kind = KindOf(path);
    if (kind.empty()) return Skip("no file extension");
    if (Holds(kImages, kind)) return Skip("image; name it to have its text recognised");
    if (!Holds(kKinds, kind)) return Skip(StrCat("unknown kind .", kind.substr(0, 20)));
    if (it->file_size(error) == 0) return Skip("empty");
    return File(path, path.lexically_relative(root).generic_string());
  }

  Status Skip(const std::string& reason) {
    ++result_.skipped[reason];
    return absl::OkStatus();
  }

  WalkResult& result_;
  const std::size_t files_max_;
};

// Names must differ: those that do not get more of their path in front.
void MakeNamesDiffer(std::vector<IngestFile>& files) {
  std::map<std::string, std::size_t> count;
  for (const IngestFile& file : files) ++count[file.name];
  std::set<std::string> taken;
  for (IngestFile& file : files) {
    const fs::path path(file.path);
    for (fs::path above = path.parent_path();
         (count[file.name] > 1 || taken.contains(file.name)) && above.has_filename();
         above = above.parent_path()) {
      const std::string longer = path.lexically_relative(above.parent_path()).generic_string();
      if (longer.size() <= file.name.size()) continue;
      file.name = longer;
      if (!taken.contains(longer) && !count.contains(longer)) break;
    }
    taken.insert(file.name);
  }
}

}  // namespace

Result<WalkResult> WalkPaths(const std::vector<std::string>& paths, std::size_t files_max) {
  WalkResult result;
  Walker walker(result, files_max);
  std::set<std::string> seen;
  for (const std::string& text : paths) {
    if (text.starts_with("http://") || text.starts_with("https://")) {
      if (seen.insert(text).second) result.links.push_back(text);
      continue;
    }
    std::error_code error;
    const fs::path path = fs::canonical(text, error);
    if (error) return absl::NotFoundError(StrCat(text, ": ", error.message()));
    if (!seen.insert(path.string()).second) continue;
    if (fs::is_directory(path, error)) {
      TRY(walker.Folder(path));
    } else if (fs::is_regular_file(path, error)) {
      TRY(walker.File(path, fs::path(text).filename().string()));
    } else {
      return absl::InvalidArgumentError(StrCat(text, ": neither a file nor a folder"));
    }
  }
  // A file named twice, by itself and by its folder, is one.
  std::set<std::string> files;
  std::erase_if(result.files,
                [&](const IngestFile& file) { return !files.insert(file.path).second; });
  MakeNamesDiffer(result.files);
  return result;
}

}  // namespace tessera
