#pragma once
// The inference service: language models and embedders in this process or behind other servers.

#include <memory>
#include <string>

#include "services/inference/model_figures.h"
#include "services/inference/model_registry.h"
#include "tessera/v1/inference.tessera.h"

namespace tessera {

/// Thread-safe. Stop() before it goes; streams that it gave may outlive it.
class LocalInference final : public Inference {
 public:
  using Config = InferenceConfig;

  /// Loads the default models; blocks for about half a second. `workers` prepare prompts and texts
  /// and load models; `loops` carry calls to other servers (without them it makes its own). Both
  /// must outlive the service.
  static Result<std::unique_ptr<LocalInference>> Open(Config config, const std::string& data,
                                                      Executor& workers, IoLoops* loops = nullptr);
  /// Ends every answer with UNAVAILABLE.
  Task<Status> Stop(Ctx ctx);

  Task<Result<StreamPtr<v1::GenerateEvent>>> Generate(Ctx ctx,
                                                      v1::GenerateRequest request) override;
  Task<Result<v1::EmbedReply>> Embed(Ctx ctx, v1::EmbedRequest request) override;
  /// The cosine of query and passage, by the embedder.
  Task<Result<v1::RerankReply>> Rerank(Ctx ctx, v1::RerankRequest request) override;
  /// "" counts for the default embedder, whose limit chunks are cut to.
  Task<Result<v1::CountTokensReply>> CountTokens(Ctx ctx, v1::CountTokensRequest request) override;
  Task<Result<v1::ListModelsReply>> ListModels(Ctx ctx, v1::ListModelsRequest request) override;

 private:
  LocalInference(std::unique_ptr<ModelRegistry> models,
                 std::map<std::string, ModelPriceConfig> prices, Executor& workers)
      : models_(std::move(models)),
        figures_(std::make_shared<ModelFigures>(std::move(prices))),
        workers_(workers) {}
  Task<Result<std::shared_ptr<LanguageModel>>> Language(std::string name);
  Task<Result<std::shared_ptr<Embedder>>> EmbedderNamed(std::string name);

  const std::unique_ptr<ModelRegistry> models_;
  const std::shared_ptr<ModelFigures> figures_;  // of streams too
  Executor& workers_;
};

}  // namespace tessera
