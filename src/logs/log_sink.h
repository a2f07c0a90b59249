#pragma once
// Where records go besides the output of their process.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ctx.h"
#include "base/task.h"
#include "tessera/v1/logs.pb.h"

namespace tessera {

/// Takes batches of records, one at a time.
class LogSink {
 public:
  virtual ~LogSink() = default;

  struct Reply {
    std::vector<std::size_t> again;  ///< which of them it may take another time
    std::uint64_t rejected = 0;      ///< those that it will never take
    std::string reason;              ///< of the first of either
  };
  /// "otlp": in metrics, and the name of the spool's folder.
  virtual std::string_view name() const = 0;
  /// An error: nothing is known to be taken, and all is to be sent again. INVALID_ARGUMENT: none of
  /// it will ever be taken. OUT_OF_RANGE: too much at once.
  virtual Task<Result<Reply>> Send(Ctx ctx, std::vector<v1::LogRecord> records) = 0;
};

}  // namespace tessera
