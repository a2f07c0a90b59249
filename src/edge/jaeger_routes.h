#pragma once
// The query API of Jaeger over the traces that are kept: for Jaeger's page and Grafana.

#include <string>

#include "edge/router_http.h"
#include "tessera/v1/traces.tessera.h"

namespace tessera {

/// GET /api/services, /api/services/{service}/operations, /api/operations, /api/traces,
/// /api/traces/{id}, /api/dependencies. `traces` outlives the routes; `service` is what the
/// platform is called in traces.
void AddJaegerRoutes(Traces& traces, std::string service, HttpRoutes& routes);

}  // namespace tessera
