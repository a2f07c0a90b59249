#pragma once
// A client of services started in this process.

#include <memory>
#include <string>

#include "app/client.h"
#include "config/schema.h"

namespace tessera {

/// Starts the services on the data folder; FAILED_PRECONDITION when another process has it.
Result<std::unique_ptr<Client>> StartLocalClient(const ConfigSnapshot& config,
                                                 const std::string& data, CancelToken cancel);

}  // namespace tessera
