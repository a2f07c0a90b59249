#pragma once
// docs/api.md: every route that is served, for people; what /openapi.json is for programs.

#include <string>

#include "edge/router_http.h"

namespace tessera {

/// A Markdown page of all routes, by interface: purpose, parameters, examples, errors.
std::string ApiReferencePage(const HttpRoutes& routes);

}  // namespace tessera
