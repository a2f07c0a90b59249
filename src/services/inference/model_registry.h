#pragma once
// All models by name: built in, brought by the user, behind other servers.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "model/embedder.h"
#include "model/language_model.h"
#include "net/http_client.h"
#include "services/inference/inference_config.h"
#include "store/model_store.h"

namespace tessera {

/// The defaults are loaded when it opens, other models when first asked for; models of the store
/// (`tessera models add`) are found while it runs. Thread-safe; Stop() before it goes.
class ModelRegistry {
 public:
  /// Blocks while the defaults load. `workers` must outlive it. INVALID_ARGUMENT when a configured
  /// default does not exist.
  static Result<std::unique_ptr<ModelRegistry>> Open(InferenceConfig config,
                                                     const std::string& data, Executor& workers,
                                                     IoLoops* loops);

  /// "" is the default. NOT_FOUND lists what there is. May block while the model loads: call on
  /// an executor that may, unless Loaded…() has it.
  Result<std::shared_ptr<LanguageModel>> Language(const std::string& name);
  Result<std::shared_ptr<Embedder>> EmbedderNamed(const std::string& name);
  /// Only what is in memory and needs no look at the store; null otherwise. Does not block.
  std::shared_ptr<LanguageModel> LoadedLanguage(const std::string& name) const;
  std::shared_ptr<Embedder> LoadedEmbedder(const std::string& name) const;

  /// Every model, loaded or not; reads the store.
  std::vector<v1::Model> List() const;
  /// The same, when it was listed before and nothing has changed since; nothing otherwise. Does not
  /// block.
  std::optional<std::vector<v1::Model>> Listed() const;
  void Stop();

 private:
  ModelRegistry(InferenceConfig config, const std::string& data, Executor& workers);
  Status AddUpstreams(IoLoops* loops);
  Status LoadDefaults();
  Status DescribeRestingEmbedder();
  std::string DefaultLanguage() const;
  std::shared_ptr<LanguageModel> FindLanguage(const std::string& name) const;
  void Forget(const std::string& name);
  std::string Names(v1::ModelKind kind) const;
  std::vector<StoredModel> Stored() const;
  std::vector<v1::Model> ReadList() const;

  const InferenceConfig config_;
  const ModelStore store_;
  Executor& workers_;
  std::unique_ptr<IoLoops> own_loops_;
  std::unique_ptr<HttpClient> client_;

  v1::Model resting_embedder_;  // the built-in one as it is listed until somebody asks for it
  std::mutex loading_;          // one model at a time
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<LanguageModel>> languages_;  // under mutex_
  std::map<std::string, std::shared_ptr<Embedder>> embedders_;       // under mutex_
  std::uint64_t loads_ = 0;  // changes of those two; under mutex_

  struct Snapshot {
    std::string store_version;
    std::uint64_t loads = 0;
    std::vector<v1::Model> models;
  };
  mutable std::optional<Snapshot> listed_;  // under mutex_
};

}  // namespace tessera
