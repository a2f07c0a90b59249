#pragma once
// What every language model can do, whoever runs it.

#include <cstdint>
#include <string>
#include <vector>

#include "base/stream.h"
#include "tessera/v1/inference.pb.h"

namespace tessera {

/// A language model that answers. Thread-safe; must outlive the streams it gave.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  virtual const v1::Model& info() const = 0;

  /// The answer, piece by piece; the last event has finish_reason and usage. Cancelling ctx or
  /// dropping the stream ends the work at the next token; a reader that does not read pauses only
  /// its own answer. INVALID_ARGUMENT for a prompt that is too long or a wrong parameter,
  /// RESOURCE_EXHAUSTED when too many requests wait.
  virtual Task<Result<StreamPtr<v1::GenerateEvent>>> Generate(Ctx ctx,
                                                              v1::GenerateRequest request) = 0;

  /// How many tokens each text has.
  virtual Task<Result<std::vector<std::uint32_t>>> CountTokens(Ctx ctx,
                                                               std::vector<std::string> texts) = 0;

  /// Ends every answer with UNAVAILABLE and frees what the model holds. Blocks for a moment.
  virtual void Stop() = 0;
};

/// RESOURCE_EXHAUSTED that tells the caller when to come back (WithRetryAfter), in whole seconds.
Status Busy(std::string_view what, std::uint32_t retry_after_ms);

}  // namespace tessera
