#pragma once
// Uploading documents and fetching their originals.

#include <string>

#include "edge/router_http.h"
#include "tessera/v1/dataprep.tessera.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

struct DocumentRoutesOptions {
  std::string data_folder;   ///< originals lie below it
  std::string spool_folder;  ///< uploads, until their job has taken them
  std::uint64_t upload_bytes_max = std::uint64_t{4} << 30;  ///< of one request
  std::uint32_t files_max = 1000;
};

/// POST /api/v1/collections/{collection}/documents and GET /api/v1/documents/{id}/original.
/// Everything given outlives the routes.
void AddDocumentRoutes(DocumentRoutesOptions options, Dataprep& dataprep, Retrieval& retrieval,
                       Executor& blocking, HttpRoutes& routes);

/// The reply that sends a stored file: Range, If-Range, ETag, a safe Content-Disposition.
HttpReply OriginalReply(const HttpRequest& request, const std::string& path, std::uint64_t size,
                        std::string_view name, std::string_view media_type, std::string_view etag);

}  // namespace tessera
