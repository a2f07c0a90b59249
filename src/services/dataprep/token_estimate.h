#pragma once
// How many tokens a text has for the embedder, without asking it.

#include <cstdint>
#include <string_view>

namespace tessera {

/// Estimates WordPiece tokens of a text in well under a microsecond a word. The table behind it was
/// fitted to the English uncased vocabulary of BERT on technical prose: the mean error there is
/// below 2 %, one passage is within 15 % of the truth. `scale` fits it to other languages and
/// vocabularies: (true count) / (estimate with scale 1) of a sample. Stateless, thread-safe.
double EstimateTokens(std::string_view text, double scale = 1.0);

}  // namespace tessera
