// Archives: every member a document of its own, "archive.zip/folder/a.pdf".

#include "extract/archive_file.h"
#include "extract/ascii.h"
#include "extract/readers.h"
#include "extract/spool.h"

namespace tessera {
namespace {

constexpr std::uint64_t kBeatBytes = 64u << 20;

/// What operating systems leave in archives.
bool IsLitter(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('/') + 1);
  return name.starts_with("__MACOSX/") || last == ".DS_Store" || last == "Thumbs.db" ||
         last == "desktop.ini" || last.starts_with("._");
}

/// "notes.txt" of "notes.txt.gz", for a single compressed file.
std::string InnerName(const std::string& name) {
  const std::string_view last = std::string_view(name).substr(name.rfind('/') + 1);
  const std::size_t dot = last.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::string(last);
  const std::string_view extension = last.substr(dot + 1);
  const std::string stem(last.substr(0, dot));
  return extension == "tgz" || extension == "txz" || extension == "tbz2" ? stem + ".tar" : stem;
}

/// Ends a document that could not be read.
void EndMember(const std::string& name, ExtractError error, ReadJob& job) {
  DocumentInfo info;
  info.name = name;
  job.out.End(info, std::move(error));
}

/// One member; a failure only when the whole archive must stop.
ExtractFailure ReadMember(ArchiveFile& archive, const ArchiveEntry& entry, const std::string& name,
                          ReadJob& job) {
  if (entry.encrypted) {
    EndMember(name, {ExtractCode::kEncrypted, "needs a password: unpack it and add the file"}, job);
    return std::nullopt;
  }
  Spool spool(name, job);
  if (ExtractFailure failure = spool.Open()) return failure;
  char buffer[64 << 10];
  std::uint64_t since_beat = 0;
  while (const std::size_t got = archive.Read(buffer, sizeof buffer)) {
    since_beat += got;
    if (since_beat > kBeatBytes) {
      since_beat = 0;
      job.out.Beat();
    }
    if (ExtractFailure failure = spool.Write({buffer, got})) {
      if (!job.bomb) EndMember(name, *failure, job);
      return failure;
    }
  }
  if (archive.failure()) {
    EndMember(name, *archive.failure(), job);
    return std::nullopt;
  }
  spool.Read();
  job.out.Beat();
  return std::nullopt;
}

}  // namespace

ExtractFailure ReadArchive(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  if (job.depth >= job.limits.archive_depth_max) {
    return ExtractError{ExtractCode::kZipBomb,
                        StrCat("is an archive ", job.depth + 1,
                               " levels deep: unpack it yourself, or raise archive_depth_max")};
  }
  ArchiveFile archive(file);
  ArchiveEntry entry;
  bool any = false;
  while (!job.bomb && archive.Next(entry)) {
    const std::string inner =
        entry.name.empty() ? InnerName(file.name()) : CleanMemberName(entry.name);
    if (!entry.is_file || IsLitter(inner)) continue;
    any = true;
    const std::string name = StrCat(file.name(), "/", inner);
    if (ExtractFailure failure = ReadMember(archive, entry, name, job)) return failure;
  }
  if (archive.fatal()) return archive.failure();
  if (job.bomb || any) return std::nullopt;  // told where it was found
  return ExtractError{ExtractCode::kNoText, "is an empty archive"};
}

}  // namespace tessera
