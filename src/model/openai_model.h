#pragma once
// Models behind somebody else's OpenAI-compatible server: chat, completions, embeddings.

#include <memory>
#include <string>

#include "model/embedder.h"
#include "model/language_model.h"
#include "net/http_client.h"

namespace tessera {

struct OpenAiOptions {
  std::string name;            ///< as our clients call it
  std::string base_url;        ///< up to and with "/v1"
  std::string key;             ///< sent as Bearer; empty: none. Never logged.
  std::string upstream_model;  ///< as the server calls it; empty: `name`
  std::string description;
  std::uint32_t context_tokens = 0;  ///< language models; 0: not known
  std::uint32_t dimension = 0;       ///< embedders: must be given
};

/// An error of the server is an error here, in the middle of an answer too: a stream that ends
/// without a finish reason is UNAVAILABLE. 429 is RESOURCE_EXHAUSTED with the server's hint. Tokens
/// are counted as one in four bytes. `client` outlives the model.
std::unique_ptr<LanguageModel> MakeOpenAiModel(OpenAiOptions options, HttpClient& client);

/// Vectors are scaled to length 1. INVALID_ARGUMENT without a dimension.
Result<std::unique_ptr<Embedder>> MakeOpenAiEmbedder(OpenAiOptions options, HttpClient& client);

}  // namespace tessera
