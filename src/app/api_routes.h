#pragma once
// The whole of the HTTP interface: the edge's own routes and the facades.

#include <string>
#include <vector>

#include "edge/edge.h"
#include "edge/facades/facades.h"

namespace tessera {

/// Every method of every contract, for the doors that are generic over descriptors.
std::vector<MethodBinding> BindingsOf(const Contracts& contracts);

/// Adds OpenAI's and OPEA's interfaces to an edge that has not started.
void AddFacades(Edge& edge, Contracts contracts);

/// docs/api.md: all routes of `tessera up`, written down. Nothing is served.
Result<std::string> ApiReference();

}  // namespace tessera
