#pragma once
// Whom a key stands for.

#include <string>

#include "base/ctx.h"

namespace tessera {

struct KeyHolder {
  Principal principal;  ///< an empty id: there was no key
  std::string tenant;   ///< whose use counts as one, however many keys they have; empty: nobody's
};

}  // namespace tessera
