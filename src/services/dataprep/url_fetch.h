#pragma once
// Pages and files of the web, through the guard against SSRF.

#include <chrono>
#include <cstdint>

#include "services/dataprep/source_ingest.h"

namespace tessera {

struct UrlFetchLimits {
  bool allow_private = false;
  std::uint64_t bytes_max = 512ull << 20;
  std::chrono::seconds timeout{120};
};

/// Fetches http and https URLs into files.
UrlFetcher GuardedUrlFetcher(UrlFetchLimits limits);

}  // namespace tessera
