#pragma once
// The whole of the HTTP interface: the edge's own routes and the facades.

#include <string>

#include "edge/edge.h"
#include "edge/facades/facades.h"

namespace tessera {

/// Adds OpenAI's and OPEA's interfaces to an edge that has not started.
void AddFacades(Edge& edge, Contracts contracts);

/// docs/api.md: all routes of `tessera up`, written down. Nothing is served.
Result<std::string> ApiReference();

}  // namespace tessera
