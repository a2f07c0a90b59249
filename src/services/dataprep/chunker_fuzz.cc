// Whatever blocks come in: passages are valid UTF-8, in order, within the limit, and together hold
// every byte that is not white space.
#include "base/status.h"
#include "services/dataprep/chunker.h"
#include "services/dataprep/duplicates.h"
#include "services/dataprep/fuzz_blocks.h"
#include "services/dataprep/token_estimate.h"

namespace {

std::size_t Solid(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += c != ' ' && c != '\n' && c != '\t' && c != '\r';
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  if (size < 4) return 0;
  ChunkerConfig config;
  config.tokens_max = 16 + data[0];
  config.tokens_min = data[1] % 64;
  config.overlap_tokens = data[2] % 2 == 0 ? 0 : data[2] % 32;
  Chunker chunker(config);
  DuplicateFilter duplicates;
  std::vector<TextChunk> out;
  std::size_t solid_in = 0;
  for (const Block& block : BlocksOfBytes({reinterpret_cast<const char*>(data) + 3, size - 3})) {
    solid_in += Solid(block.text);
    chunker.Add(block, out);
  }
  chunker.Finish(out);
  std::size_t solid_out = 0;
  std::uint64_t covered = 0;
  for (const TextChunk& chunk : out) {
    CHECK(chunk.end - chunk.start == chunk.text.size());
    CHECK(!chunk.text.empty());
    CHECK(IsValidUtf8(chunk.text));
    CHECK(chunk.end <= chunker.text_bytes());
    CHECK(chunk.end > covered);
    CHECK(EstimateTokens(chunk.text) <= config.tokens_max + 0.01);
    const std::uint64_t fresh = std::max(chunk.start, covered);
    solid_out += Solid(std::string_view(chunk.text).substr(fresh - chunk.start));
    covered = chunk.end;
    const std::string embedded = EmbeddingText("title", chunk, 40);
    CHECK(embedded.ends_with(chunk.text));
    duplicates.SeenBefore(chunk.text, chunk.prose);
    CHECK(duplicates.SeenBefore(chunk.text, chunk.prose));
  }
  CHECK(solid_in == solid_out);
  return 0;
}
