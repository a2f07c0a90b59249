#pragma once
// All services of the platform, wired through the router and running in this process on one data
// folder.

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "config/schema.h"
#include "net/io_loop.h"
#include "tessera/v1/dataprep.tessera.h"
#include "tessera/v1/inference.tessera.h"
#include "tessera/v1/orchestration.tessera.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// Thread-safe once started. Destroying it drains what runs and closes the store.
class Platform {
 public:
  virtual ~Platform() = default;
  virtual Dataprep& dataprep() = 0;
  virtual Inference& inference() = 0;
  virtual Orchestration& orchestration() = 0;
  virtual Retrieval& retrieval() = 0;

  virtual Executor& blocking() = 0;
  virtual Executor& cpu() = 0;
  virtual IoLoops& loops() = 0;
};

/// Opens the data folder and starts the services; returns when the models are loaded.
/// FAILED_PRECONDITION when another process has the folder.
Result<std::unique_ptr<Platform>> StartPlatform(const ConfigSnapshot& config,
                                                const std::string& data);

}  // namespace tessera
