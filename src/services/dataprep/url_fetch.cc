#include "services/dataprep/url_fetch.h"

namespace tessera {

UrlFetcher GuardedUrlFetcher(UrlFetchLimits) {
  return [](const std::string&, const std::string&, const CancelToken&) -> Status {
    return absl::UnimplementedError("links cannot be fetched yet");
  };
}

}  // namespace tessera
