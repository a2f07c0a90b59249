#pragma once
// The query API of Prometheus over the platform's figures: for Grafana.

#include <string>

#include "edge/router_http.h"
#include "tessera/v1/monitoring.tessera.h"

namespace tessera {

/// Under /admin/v1/prometheus/api/v1: query, query_range, labels, label/{name}/values, series,
/// metadata, status/buildinfo, by GET and, where Prometheus has it, as a posted form. Errors are
/// in its words. `monitoring` outlives the routes.
void AddPrometheusRoutes(Monitoring& monitoring, std::string version, HttpRoutes& routes);

}  // namespace tessera
