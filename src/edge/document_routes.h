#pragma once
// Uploading documents and fetching their originals.

#include <string>

#include "edge/upload.h"
#include "tessera/v1/dataprep.tessera.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// POST /api/v1/collections/{collection}/documents and GET /api/v1/documents/{id}/original.
/// Everything given outlives the routes.
void AddDocumentRoutes(UploadPlace place, Dataprep& dataprep, Retrieval& retrieval,
                       HttpRoutes& routes);

/// The reply that sends a stored file: Range, If-Range, ETag, a safe Content-Disposition.
HttpReply OriginalReply(const HttpRequest& request, const std::string& path, std::uint64_t size,
                        std::string_view name, std::string_view media_type, std::string_view etag);

}  // namespace tessera
