#pragma once

namespace tessera {

/// Of this program, as `tessera version` prints it.
extern const char kVersion[];

}  // namespace tessera
