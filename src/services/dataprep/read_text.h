#pragma once
// A file's text, without an ingest.

#include <cstdint>
#include <memory>

#include "extract/extractor.h"
#include "tessera/v1/dataprep.pb.h"

namespace tessera {

/// The cleaned text of every document of a file, headings on lines of their own. INVALID_ARGUMENT
/// names the file and says what is wrong with it; in an archive that is told only when no document
/// of it could be read. OUT_OF_RANGE: more than `bytes_max` of text. Blocks.
Result<v1::ReadTextReply> ReadTextOf(std::unique_ptr<Extraction> extraction,
                                     std::uint64_t bytes_max);

}  // namespace tessera
