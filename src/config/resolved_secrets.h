#pragma once
// What this process has read behind references: so that it can be kept out of what it says.

#include <string>
#include <vector>

namespace tessera {

/// All texts that ResolveSecret has given out so far. Thread-safe.
std::vector<std::string> ResolvedSecrets();

}  // namespace tessera
