#pragma once
// Every address of a host.

#include <string>
#include <vector>

#include "base/ctx.h"
#include "base/task.h"
#include "net/io_loop.h"

namespace tessera {

/// "host:port" as "address:port" of every A and AAAA record, sorted, each once; of an address the
/// address itself. UNAVAILABLE when the name is not found now.
Task<Result<std::vector<std::string>>> ResolveAll(IoLoop& loop, Ctx ctx, std::string name);

}  // namespace tessera
