#pragma once
// Profiles as files that other programs read.

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tessera/v1/profiles.pb.h"

namespace tessera {

enum class ProfileFormat {
  kPprof,      ///< profile.proto of google/pprof, with gzip
  kCollapsed,  ///< a line a stack, "outer;inner 12", as flame graphs are drawn from
};

/// "pprof", "collapsed".
Result<ProfileFormat> ParseProfileFormat(std::string_view name);

/// Of one kind, of any number of processes: their names are labels, or the outermost calls. The
/// number of a line is of samples, or of bytes that were still held.
std::string ProfileFile(const std::vector<v1::ProcessProfile>& profiles, ProfileFormat format);

}  // namespace tessera
