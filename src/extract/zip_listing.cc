#include "extract/zip_listing.h"

#include "extract/archive_file.h"
#include "extract/ascii.h"

namespace tessera {
namespace {

constexpr std::size_t kMembersMax = 100'000;

/// Without the end record at its end a ZIP was cut off; libarchive would read it member by member
/// and not notice.
ExtractFailure CheckEndRecord(const InputFile& file) {
  constexpr std::size_t kEndRecordMax = (64u << 10) + 22;
  if (Contains(file.Tail(kEndRecordMax), "PK\5\6")) return std::nullopt;
  return ExtractError{
      ExtractCode::kTruncated,
      "ends too early (its table of contents is missing): get it again from its source"};
}

}  // namespace

ZipListing ListZip(const InputFile& file) {
  ZipListing listing;
  listing.failure = CheckEndRecord(file);
  if (listing.failure) return listing;
  ArchiveFile archive(file);
  ArchiveEntry entry;
  while (archive.Next(entry) && listing.names.size() < kMembersMax) {
    listing.names.insert(std::move(entry.name));
  }
  // What is wrong with single members is told when they are read.
  if (listing.names.empty()) listing.failure = archive.failure();
  return listing;
}

ExtractFailure ReadZipMembers(const InputFile& file, bool (*wanted)(std::string_view name),
                              std::uint64_t bytes_max,
                              std::map<std::string, std::string>& members) {
  ArchiveFile archive(file);
  ArchiveEntry entry;
  std::uint64_t total = 0;
  std::string buffer(64u << 10, '\0');
  while (archive.Next(entry)) {
    if (!entry.is_file || !wanted(entry.name)) continue;
    if (entry.encrypted) {
      return ExtractError{ExtractCode::kEncrypted, "needs a password: save it without one"};
    }
    std::string& bytes = members[entry.name];
    while (const std::size_t got = archive.Read(buffer.data(), buffer.size())) {
      total += got;
      if (total > bytes_max) {
        return ExtractError{ExtractCode::kTooLarge,
                            StrCat("its text parts unpack to more than ", bytes_max >> 20,
                                   " MiB: split it, or raise tree_bytes_max")};
      }
      bytes.append(buffer, 0, got);
    }
    if (archive.failure()) return archive.failure();
  }
  return archive.failure();
}

}  // namespace tessera
