#pragma once
// What a request for ingest must look like, and the job that it becomes.

#include <string>
#include <string_view>

#include "services/dataprep/dataprep_config.h"
#include "services/dataprep/job.h"

namespace tessera {

/// Checks a request and makes a job of it, with an id, a name for every source (unique within the
/// job) and their sizes where they are known. INVALID_ARGUMENT names the field and the rule.
/// `tmp`: where spooled files must lie. Blocks: it looks at the files.
Result<StoredJob> MakeJob(v1::IngestRequest request, const DataprepConfig& config,
                          const std::string& tmp);

/// INVALID_ARGUMENT says what is wrong with one source; `field` is its place in the request.
Status CheckSource(const v1::Source& source, std::string_view field, const std::string& tmp);

/// What a source's document will be called.
std::string NameOf(const v1::Source& source);

/// Removes the spooled files of a request that came to nothing; only those that lie in `tmp`.
void RemoveSpooled(const v1::IngestRequest& request, const std::string& tmp);

}  // namespace tessera
