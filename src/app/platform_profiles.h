#pragma once
// Profiles of all processes of a platform.

#include <string>
#include <vector>

#include "app/root_process.h"

namespace tessera {

/// Of the processes that `target` names, at the same time: "inference", "inference#0",
/// "inference-0", all when it is empty. NOT_FOUND: there is none of that name; ABORTED: another
/// profile of one of them is taken. Written to the audit log. `root` outlives the task.
Task<Result<std::vector<v1::ProcessProfile>>> TakeProfilesOf(RootProcess* root, Ctx ctx,
                                                             v1::TakeProfileRequest request,
                                                             std::string target);

}  // namespace tessera
