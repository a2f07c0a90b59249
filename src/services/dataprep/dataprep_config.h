#pragma once
// Limits and sizes of ingest.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "config/fields.h"

namespace tessera {

/// Configuration of LocalDataprep. The defaults suit MiniLM on two cores.
struct DataprepConfig {
  std::uint32_t chunk_tokens_max = 0;  // 0: what the embedder reads well
  std::uint32_t chunk_overlap_tokens = 0;
  std::uint32_t documents_in_flight = 8;
  std::uint32_t jobs_in_flight = 2;
  std::uint32_t jobs_queued_max = 1000;
  std::uint32_t jobs_kept = 500;
  std::uint32_t sources_max = 20'000;
  std::uint32_t embed_batch = 64;
  std::uint32_t embed_calls = 3;
  Bytes disk_reserve{256ull << 20};
  Bytes read_text_max{16ull << 20};
  std::chrono::milliseconds watch_interval{100};
  bool url_allow_private = false;
  std::vector<std::string> url_trusted_hosts;
  Bytes url_bytes_max{512ull << 20};
  std::chrono::seconds url_timeout{120};

  static void Describe(Fields<DataprepConfig>& f);
};

}  // namespace tessera
