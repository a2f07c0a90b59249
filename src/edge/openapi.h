#pragma once
// /openapi.json: every route that is served, with schemas from the messages.

#include <string>
#include <string_view>

#include "edge/router_http.h"

namespace tessera {

/// An OpenAPI 3.1 document of all routes.
std::string OpenApiJson(const HttpRoutes& routes, std::string_view version);

}  // namespace tessera
