#pragma once
// How likely a token was.

#include <cstdint>
#include <span>

#include "model/llama_text.h"
#include "tessera/v1/inference.pb.h"

namespace tessera {

/// The log probability of `token` by the model's own logits (one a vocabulary entry; temperature
/// and the like come later), and the `top` likeliest tokens. A pass over the vocabulary.
v1::TokenLogprob LogprobOf(const LlamaText& text, std::span<const float> logits, std::int32_t token,
                           std::uint32_t top);

}  // namespace tessera
