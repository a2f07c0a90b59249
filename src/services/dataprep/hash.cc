#include "services/dataprep/hash.h"

#include <xxhash.h>

namespace tessera {

std::uint64_t HashBytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace tessera
