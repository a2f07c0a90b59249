#pragma once
// Endpoints whose words are known: written and read without a mapping, since each request to a
// pipeline passes three of them, with a vector of a thousand numbers in two.

#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "base/status.h"

namespace tessera {

/// How a method's request and reply look at such an endpoint.
struct KnownShape {
  std::string (*write)(const google::protobuf::Message& request);
  /// INVALID_ARGUMENT: what is wrong with the reply. `reply` is empty before.
  Status (*read)(std::string body, google::protobuf::Message* reply);
};

// https://huggingface.github.io/text-embeddings-inference; opea.dev: EmbedDoc, SearchedDoc.
extern const KnownShape kTeiEmbed;    ///< Inference.Embed
extern const KnownShape kTeiRerank;   ///< Inference.Rerank
extern const KnownShape kOpeaSearch;  ///< Retrieval.Search

}  // namespace tessera
