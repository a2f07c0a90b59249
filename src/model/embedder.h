#pragma once
// What every embedder can do, whoever runs it.

#include <cstdint>
#include <string>
#include <vector>

#include "base/ctx.h"
#include "base/task.h"
#include "tessera/v1/inference.pb.h"

namespace tessera {

/// Turns texts into vectors. Thread-safe.
class Embedder {
 public:
  virtual ~Embedder() = default;

  virtual const v1::Model& info() const = 0;

  /// One L2-normalised vector a text, in the same order; a longer text than the model reads is cut,
  /// and counted in `truncated`. INVALID_ARGUMENT for too many texts, RESOURCE_EXHAUSTED when too
  /// many wait.
  virtual Task<Result<v1::EmbedReply>> Embed(Ctx ctx, std::vector<std::string> texts) = 0;

  /// How many tokens each text has, those at its ends that the model adds included. Cheap.
  virtual Task<Result<std::vector<std::uint32_t>>> CountTokens(Ctx ctx,
                                                               std::vector<std::string> texts) = 0;

  /// Ends waiting calls with UNAVAILABLE. Blocks for the batch under way.
  virtual void Stop() = 0;
};

}  // namespace tessera
