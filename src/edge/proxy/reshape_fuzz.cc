// Shapes and documents of any kind: FROM, TO, INDEX, a line each, then JSON.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "edge/proxy/reshape.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = [&text] {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string taken(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    return taken;
  };
  ReshapeConfig config;
  ReshapeMove move;
  move.from = line();
  move.to = line();
  move.index = line();
  config.remove = {move.index};
  config.map = {std::move(move)};
  config.keep_rest = size % 2 == 0;
  const Result<Reshape> reshape = Reshape::Make(config);
  Result<JsonTree> document = JsonTree::Parse(std::string(text));
  if (!document.ok()) return 0;
  // What was read and written is the same.
  const Result<JsonTree> again = JsonTree::Parse(document->ToJson());
  if (!again.ok() || !Differences(*document, *again, 1).empty()) std::abort();
  if (!reshape.ok()) return 0;
  const Result<JsonTree> shaped = reshape->Apply(*std::move(document));
  if (shaped.ok() && !JsonTree::Parse(shaped->ToJson()).ok()) std::abort();
  return 0;
}
