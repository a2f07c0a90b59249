#pragma once
// The page: its files, and its own addresses.

#include "edge/router_http.h"

namespace tessera {

/// Serves the files that the build put in, and index.html wherever no other route is.
void AddPageRoutes(HttpRoutes& routes);

}  // namespace tessera
