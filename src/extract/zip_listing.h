#pragma once
// The table of contents of a ZIP file, and members out of it (Office documents).

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>

#include "extract/input_file.h"

namespace tessera {

/// The names in a ZIP's central directory.
struct ZipListing {
  std::unordered_set<std::string> names;
  ExtractFailure failure;  ///< truncated, corrupt, too many members
  bool Has(const std::string& name) const { return names.contains(name); }
};

ZipListing ListZip(const InputFile& file);

/// Unpacks the members that `wanted` picks, all together at most `bytes_max`.
ExtractFailure ReadZipMembers(const InputFile& file, bool (*wanted)(std::string_view name),
                              std::uint64_t bytes_max, std::map<std::string, std::string>& members);

}  // namespace tessera
