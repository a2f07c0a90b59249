#pragma once
// Hashes: fast ones for tables, SHA-256 for content.

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

/// XXH3, 64 bits. For tables in memory; not against an adversary.
std::uint64_t HashBytes(std::string_view bytes);

}  // namespace tessera
