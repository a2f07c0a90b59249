#pragma once
// The explicit list of what this program is made of.

#include "config/schema.h"

namespace tessera {

/// Every section that a configuration file may have: one for each component, in the order of
/// components.cc.
ConfigSchema AppSchema();

}  // namespace tessera
