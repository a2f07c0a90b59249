#pragma once
// Routes about the server itself: health, metrics, description, signing in.

#include <functional>
#include <string>

#include "edge/auth.h"
#include "edge/health.h"
#include "edge/router_http.h"
#include "telemetry/exposition.h"
#include "tessera/v1/inference.tessera.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// What the routes tell about. Everything outlives the routes.
struct SystemInfo {
  std::string version;
  /// Whether calls can be served. Thread-safe and quick.
  std::function<HealthReport()> health;
  /// What /metrics tells: the figures of all processes.
  std::function<Task<std::string>(Ctx, ExpositionFormat)> figures;
  Inference* inference = nullptr;
  Retrieval* retrieval = nullptr;
  SteadyTime started = Now();
};

/// /health/live, /health/startup, /health/ready, /metrics, /openapi.json, /api/v1/system, /login,
/// /api/v1/session. `openapi` gives the document, once all routes are known.
void AddSystemRoutes(SystemInfo info, Authenticator& authenticator,
                     std::function<const std::string&()> openapi, HttpRoutes& routes);

}  // namespace tessera
