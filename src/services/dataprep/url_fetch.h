#pragma once
// Pages and files of the web into files of our own, through the guard against SSRF.

#include <cstdint>
#include <string>
#include <vector>

#include "base/ctx.h"
#include "base/task.h"
#include "net/http_client.h"

namespace tessera {

struct UrlFetchLimits {
  bool allow_private = false;
  std::vector<std::string> trusted_hosts;
  std::uint64_t bytes_max = 512ull << 20;
  Duration timeout = std::chrono::seconds(120);
};

/// Fetches http and https URLs. Where it may connect to is OutboundPolicy's to say, for every
/// address and every redirect. Thread-safe.
class UrlFetch {
 public:
  /// `loops` and `blocking` outlive it.
  UrlFetch(UrlFetchLimits limits, IoLoops& loops, Executor& blocking);

  /// The body of `url` into the new file `path`, which is removed again on an error. The client's
  /// errors, NOT_FOUND and the like for a reply that is not 200, OUT_OF_RANGE for one that is too
  /// large; RESOURCE_EXHAUSTED: the disk is full.
  Task<Status> ToFile(Ctx ctx, std::string url, std::string path);

 private:
  Task<Status> Receive(Ctx ctx, std::string url, std::string path);

  const UrlFetchLimits limits_;
  Executor& blocking_;
  HttpClient client_;
};

}  // namespace tessera
