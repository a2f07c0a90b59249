// The tokenizer over any bytes: never crashes, counts what it encodes, gives ids of the vocabulary.

#include "base/status.h"
#include "model/wordpiece.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto* const wordpiece = new tessera::WordPiece(*tessera::WordPiece::FromPieces(
      {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##a", "b", "##b", "ab", "##ab", "e", "the", "##s",
       ".", "1", "##1", "\u4e2d", "\u0438", "##\u0438"}));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::int32_t> ids = wordpiece->Encode(text);
  CHECK(ids.size() == wordpiece->Count(text));
  for (const std::int32_t id : ids) {
    CHECK(id >= 0 && static_cast<std::size_t>(id) < wordpiece->size());
    CHECK(id != wordpiece->cls() && id != wordpiece->sep() && id != wordpiece->pad());
  }
  return 0;
}
