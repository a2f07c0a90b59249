#pragma once
// Profiles of the platform's processes, as files.

#include <functional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "edge/router_http.h"
#include "tessera/v1/profiles.pb.h"

namespace tessera {

/// Of the processes that `target` names: "inference", "inference#0"; all when it is empty.
using TakeProfiles = std::function<Task<Result<std::vector<v1::ProcessProfile>>>(
    Ctx ctx, v1::TakeProfileRequest request, std::string target)>;

/// GET /admin/v1/profiles/cpu and /admin/v1/profiles/heap. `cpu` outlives the routes.
void AddProfileRoutes(TakeProfiles take, Executor& cpu, HttpRoutes& routes);

}  // namespace tessera
