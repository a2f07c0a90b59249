#pragma once
// The configuration of the inference service.

#include <cstdint>
#include <map>
#include <string>

#include "config/fields.h"
#include "config/secret.h"

namespace tessera {

/// A model behind an OpenAI-compatible server.
struct UpstreamModelConfig {
  enum class Kind { kLanguage, kEmbedder };
  Kind kind = Kind::kLanguage;
  std::string base_url;
  Secret key;
  std::string upstream_model;
  std::uint32_t context_tokens = 0;
  std::uint32_t dimension = 0;
  static void Describe(Fields<UpstreamModelConfig>& f);
};

/// What a model's tokens cost, in whatever money the operator counts.
struct ModelPriceConfig {
  double input = 0;  ///< of a million tokens
  double output = 0;
  static void Describe(Fields<ModelPriceConfig>& f);
};

struct InferenceConfig {
  std::string language_model;
  std::string embedder;
  std::uint32_t threads = 0;
  std::uint32_t context_tokens = 4096;
  std::uint32_t slots = 8;
  std::uint32_t queue = 64;
  std::map<std::string, UpstreamModelConfig> models;
  std::map<std::string, ModelPriceConfig> prices;
  static void Describe(Fields<InferenceConfig>& f);
};

}  // namespace tessera
