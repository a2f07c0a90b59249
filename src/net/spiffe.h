#pragma once
// SPIFFE ids: the names of workloads, as certificates carry them.
// https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tessera {

/// "spiffe://tessera/inference/inference" in its parts.
struct SpiffeId {
  std::string trust_domain;           ///< "tessera"
  std::vector<std::string> segments;  ///< "inference", "inference"

  std::string ToString() const;
};

/// INVALID_ARGUMENT for anything the standard does not allow. The text is not quoted in the error:
/// it may come from a stranger.
Result<SpiffeId> ParseSpiffeId(std::string_view text);

/// Whether `id` is `expected`, or lies below it when that ends with a slash. An empty `expected` is
/// met by every id.
bool MeetsSpiffeId(std::string_view expected, std::string_view id);

}  // namespace tessera
