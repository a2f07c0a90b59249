#include "services/inference/inference_config.h"

#include "base/str.h"

namespace tessera {
namespace {

Status DimensionGiven(const UpstreamModelConfig& config) {
  if (config.kind != UpstreamModelConfig::Kind::kEmbedder || config.dimension > 0)
    return absl::OkStatus();
  return absl::InvalidArgumentError("an embedder needs its dimension, 384 for example");
}

}  // namespace

void UpstreamModelConfig::Describe(Fields<UpstreamModelConfig>& f) {
  f.Choice("kind", &UpstreamModelConfig::kind, "What it does.",
           {{"language", Kind::kLanguage}, {"embedder", Kind::kEmbedder}});
  f.Required("base_url", &UpstreamModelConfig::base_url,
             "Where the OpenAI-compatible server answers, up to and with /v1.", 8, 2000)
      .Example("http://localhost:8000/v1");
  f.Optional("key", &UpstreamModelConfig::key, "Its key, sent as Bearer.");
  f.Optional("upstream_model", &UpstreamModelConfig::upstream_model,
             "The model's name on that server; empty: the same as here.", 0, 200);
  f.Optional("context_tokens", &UpstreamModelConfig::context_tokens,
             "Tokens that it reads; 0: not known.", 0u, 100'000'000u);
  f.Optional("dimension", &UpstreamModelConfig::dimension,
             "Length of an embedder's vectors; embedders must give it.", 0u, 65'536u);
  f.Check(&DimensionGiven);
}

void ModelPriceConfig::Describe(Fields<ModelPriceConfig>& f) {
  f.Optional("input", &ModelPriceConfig::input, "Of a million tokens that it reads.", 0.0, 1e9);
  f.Optional("output", &ModelPriceConfig::output, "Of a million tokens that it writes.", 0.0, 1e9);
}

void InferenceConfig::Describe(Fields<InferenceConfig>& f) {
  f.Optional("language_model", &InferenceConfig::language_model,
             "Language model that is used when a request names none; empty: the default of "
             "`tessera models`, else smollm2, the demo model.");
  f.Optional("embedder", &InferenceConfig::embedder,
             "Embedder that is used when a request names none; empty: minilm.");
  f.Optional("threads", &InferenceConfig::threads, "Threads of a model; 0: by the machine.", 0u,
             1024u);
  f.Optional("context_tokens", &InferenceConfig::context_tokens,
             "Longest prompt and answer together, in tokens.", 256u, 1'048'576u);
  f.Optional("slots", &InferenceConfig::slots, "Answers that a language model writes at once.", 1u,
             256u);
  f.Optional("queue", &InferenceConfig::queue,
             "Requests that wait for a slot; more are refused with 429.", 1u, 100'000u);
  f.Optional("models", &InferenceConfig::models,
             "Models on OpenAI-compatible servers, by the name that clients use.", 0, 100);
  f.Optional("prices", &InferenceConfig::prices,
             "What models cost, by their names, in any currency: the figure "
             "tessera_tenant_cost_total adds it up by tenant.",
             0, 1000);
}

}  // namespace tessera
