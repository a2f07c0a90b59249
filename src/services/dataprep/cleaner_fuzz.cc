// Whatever blocks come in, those that come out are valid UTF-8, not empty, in order and not longer.
#include "base/status.h"
#include "services/dataprep/cleaner.h"
#include "services/dataprep/fuzz_blocks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  Cleaner cleaner({.pages_ahead = 3, .bytes_ahead_max = 4096});
  std::vector<Block> out;
  std::size_t bytes_in = 0;
  for (Block& block : BlocksOfBytes({reinterpret_cast<const char*>(data), size})) {
    bytes_in += block.text.size();
    cleaner.Add(std::move(block), out);
  }
  cleaner.Finish(out);
  std::size_t bytes_out = 0;
  for (const Block& block : out) {
    CHECK(!block.text.empty());
    CHECK(IsValidUtf8(block.text));
    bytes_out += block.text.size();
  }
  CHECK(bytes_out <= 2 * bytes_in);  // a leader of five dots becomes five bytes
  return 0;
}
