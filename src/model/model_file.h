#pragma once
// Reading what lies beside a model's weights, and naming the weights by their checksum.

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tessera {

/// The pieces of a WordPiece vocabulary by id: vocab.txt or tokenizer.json (by the file's name).
Result<std::vector<std::string>> ReadVocabulary(const std::string& path);

/// The whole file; NOT_FOUND names it. At most `limit` bytes, else RESOURCE_EXHAUSTED.
Result<std::string> ReadWholeFile(const std::string& path, std::size_t limit);

/// "sha256:…" of a file, read in pieces.
Result<std::string> Sha256OfFile(const std::string& path);

/// "sha256:…" of bytes.
std::string Sha256Of(std::string_view bytes);

}  // namespace tessera
