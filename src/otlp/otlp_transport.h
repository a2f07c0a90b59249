#pragma once
// The way to a collector.

#include <memory>
#include <string>

#include "base/ctx.h"
#include "base/task.h"
#include "net/io_loop.h"
#include "otlp/otlp_service.h"

namespace tessera {

/// What came of one attempt to send a batch.
struct OtlpOutcome {
  /// INVALID_ARGUMENT: it will never be taken; OUT_OF_RANGE: it was too much at once.
  Status status;
  bool again = false;                       ///< it may be sent once more
  Duration again_after = Duration::zero();  ///< the collector's own wish
  OtlpRejected rejected;                    ///< of what it got
};

/// Sends the bytes of one service's requests. Thread-safe.
class OtlpTransport {
 public:
  virtual ~OtlpTransport() = default;
  virtual Task<OtlpOutcome> Send(Ctx ctx, std::string request) = 0;
};

/// INVALID_ARGUMENT says what is wrong with the target. `loops` outlives it.
Result<std::unique_ptr<OtlpTransport>> MakeOtlpTransport(OtlpSignal signal,
                                                         const OtlpTarget& target, IoLoops& loops);

}  // namespace tessera
