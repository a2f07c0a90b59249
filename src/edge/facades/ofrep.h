#pragma once
// OpenFeature's remote evaluation protocol (https://github.com/open-feature/protocol).

#include "edge/router_http.h"

namespace tessera {

/// Routes below /ofrep/v1, over the flags that this process follows.
void AddOfrep(HttpRoutes& routes);

}  // namespace tessera
