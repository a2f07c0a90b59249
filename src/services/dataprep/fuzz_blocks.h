#pragma once
// Blocks out of a fuzzer's bytes: "kind level page length text" again and again.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "extract/block.h"
#include "services/dataprep/utf8.h"

namespace tessera {

inline std::vector<Block> BlocksOfBytes(std::string_view bytes) {
  std::vector<Block> blocks;
  while (bytes.size() > 4) {
    const auto at = [&bytes](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    Block block;
    block.kind = static_cast<BlockKind>(at(0) % 6);
    block.continues = at(0) >= 0xf0;
    block.heading_level = block.kind == BlockKind::kHeading ? 1 + at(1) % 6 : 0;
    block.page = at(2) % 32;
    const std::size_t length = std::min<std::size_t>(bytes.size() - 4, at(3) * 8u);
    block.text = MakeValidUtf8(std::string(bytes.substr(4, length)));
    bytes.remove_prefix(4 + length);
    if (!block.text.empty()) blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace tessera
