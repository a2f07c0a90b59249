#pragma once
// The worker's loop with a reader of one's choice (tests put hostile ones in).

#include "extract/readers.h"

namespace tessera {

using FileReader = void (*)(const InputFile& file, ReadJob& job);

/// What RunExtractWorker does, each job being read by `reader` within the sandbox.
int ServeExtractJobs(int control_fd, FileReader reader);

}  // namespace tessera
