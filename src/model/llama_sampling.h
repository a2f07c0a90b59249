#pragma once
// Chooses the next token of one answer.

#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"
#include "model/llama_handles.h"
#include "tessera/v1/inference.pb.h"

namespace tessera {

/// INVALID_ARGUMENT names the first field that is out of its range.
Status CheckSampling(const v1::Sampling& sampling);

/// The sampling state of one answer. Not thread-safe.
class LlamaSampling {
 public:
  /// `grammar` is GBNF or empty; `prompt` counts for the repetition penalty.
  static Result<LlamaSampling> Make(const llama_vocab* vocabulary, const v1::Sampling& sampling,
                                    const std::string& grammar,
                                    std::span<const std::int32_t> prompt);

  /// The next token for these logits (one a vocabulary entry), already taken into account for the
  /// ones after it. INTERNAL when the grammar leaves no way on.
  Result<std::int32_t> Next(std::span<const float> logits);

 private:
  LlamaSampling() = default;
  std::int32_t Choose(std::span<const float> logits, bool by_grammar);

  bool greedy_ = false;      // and nothing else changes the logits
  LlamaSamplerPtr chain_;    // null when greedy_
  LlamaSamplerPtr grammar_;  // null without a grammar
};

}  // namespace tessera
