#include "services/inference/model_registry.h"

#include <algorithm>
#include <thread>

#include "base/str.h"
#include "model/llama_model.h"
#include "model/model_file.h"
#include "model/openai_model.h"
#include "model/openvino_embedder.h"
#include "net/uri.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

// A server that is asked for a whole answer says nothing before it has it: as long as a call may
// be.
constexpr Duration kWholeAnswerTimeout = std::chrono::minutes(10);
constexpr std::uint32_t kIdleConnections = 256;
constexpr char kDemoLanguage[] = "smollm2";
constexpr char kDemoLanguageText[] = "SmolLM2-135M-Instruct: small, to try things with";
constexpr char kDemoEmbedder[] = "minilm";
constexpr std::uint32_t kDemoEmbedderDimension = 384;
constexpr char kDemoEmbedderText[] = "all-MiniLM-L6-v2: English, reads 256 tokens of a text";

std::string DigestOf(const StoredModel& stored) {
  return stored.sha256.empty() ? std::string() : StrCat("sha256:", stored.sha256);
}

Result<std::shared_ptr<LanguageModel>> LoadLanguage(const InferenceConfig& config,
                                                    const std::optional<StoredModel>& stored,
                                                    Executor& workers) {
  LlamaOptions options;
  options.name = stored ? stored->name : kDemoLanguage;
  options.path = stored ? stored->path : TESSERA_BUILTIN_MODELS "/smollm2.gguf";
  options.digest = stored ? DigestOf(*stored) : "";
  options.description = stored ? stored->description : kDemoLanguageText;
  options.demo = !stored;
  options.threads = config.threads;
  options.context_tokens = config.context_tokens;
  options.slots = config.slots;
  options.queue = config.queue;
  TRY(std::shared_ptr<LanguageModel> model, LoadLlamaModel(std::move(options), workers));
  return model;
}

Result<std::shared_ptr<Embedder>> LoadMiniLm(const InferenceConfig& config, Executor& workers) {
  OpenVinoOptions options;
  options.name = kDemoEmbedder;
  options.model = TESSERA_BUILTIN_MODELS "/minilm/model.xml";
  options.vocabulary = TESSERA_BUILTIN_MODELS "/minilm/vocab.txt";
  options.description = kDemoEmbedderText;
  options.threads = config.threads;
  TRY(std::shared_ptr<Embedder> embedder, LoadOpenVinoEmbedder(std::move(options), workers));
  return embedder;
}

template <class Map>
auto FindLoaded(const Map& map, const std::string& name) {
  const auto found = map.find(name);
  return found == map.end() ? typename Map::mapped_type() : found->second;
}

}  // namespace

ModelRegistry::ModelRegistry(InferenceConfig config, const std::string& data, Executor& workers)
    : config_(std::move(config)), store_(data), workers_(workers) {}

Result<std::unique_ptr<ModelRegistry>> ModelRegistry::Open(InferenceConfig config,
                                                           const std::string& data,
                                                           Executor& workers, IoLoops* loops) {
  std::unique_ptr<ModelRegistry> registry(new ModelRegistry(std::move(config), data, workers));
  TRY(registry->AddUpstreams(loops));
  TRY(registry->LoadDefaults());
  return registry;
}

Status ModelRegistry::AddUpstreams(IoLoops* loops) {
  if (config_.models.empty()) return absl::OkStatus();
  if (loops == nullptr) {
    own_loops_ = std::make_unique<IoLoops>(1);
    loops = own_loops_.get();
  }
  HttpClientConfig client;
  client.head_timeout = kWholeAnswerTimeout;
  client.idle_connections_max = kIdleConnections;
  for (const auto& [name, model] : config_.models) {
    TRY(const Url url, ParseUrl(model.base_url));
    client.policy.trusted_hosts.push_back(url.host);  // the operator named them
    client.policy.trusted_hosts.push_back(StrCat(url.host, ":", url.port));
  }
  client_ = std::make_unique<HttpClient>(std::move(client), *loops);
  for (const auto& [name, model] : config_.models) {
    if (!IsModelName(name)) {
      return absl::InvalidArgumentError(StrCat("services.inference.models: \"", name,
                                               "\" is no name: use a-z, 0-9, '.', '_', '-'"));
    }
    OpenAiOptions options;
    options.name = name;
    options.base_url = model.base_url;
    options.key = model.key.Reveal();
    options.upstream_model = model.upstream_model;
    options.context_tokens = model.context_tokens;
    options.dimension = model.dimension;
    if (model.kind == UpstreamModelConfig::Kind::kLanguage) {
      languages_[name] = MakeOpenAiModel(std::move(options), *client_);
    } else {
      TRY(embedders_[name], MakeOpenAiEmbedder(std::move(options), *client_));
    }
  }
  return absl::OkStatus();
}

// Both at once: the larger part of the start-up time is one core's work for each.
Status ModelRegistry::LoadDefaults() {
  Result<std::shared_ptr<LanguageModel>> language = std::shared_ptr<LanguageModel>();
  std::thread loader([&] { language = Language(""); });
  const Result<std::shared_ptr<Embedder>> embedder = EmbedderNamed("");
  loader.join();
  TRY(Status(language.status()));
  TRY(Status(embedder.status()));
  return DescribeRestingEmbedder();
}

// Where another embedder is the default, collections may still need the built-in one: they know it
// by its digest, so that is told without loading it.
Status ModelRegistry::DescribeRestingEmbedder() {
  if (LoadedEmbedder(kDemoEmbedder) != nullptr) return absl::OkStatus();
  TRY(std::string digest, Sha256OfFile(TESSERA_BUILTIN_MODELS "/minilm/model.bin"));
  resting_embedder_.set_name(kDemoEmbedder);
  resting_embedder_.set_kind(v1::MODEL_KIND_EMBEDDER);
  resting_embedder_.set_backend("openvino");
  resting_embedder_.set_digest(std::move(digest));
  resting_embedder_.set_dimension(kDemoEmbedderDimension);
  resting_embedder_.set_context_tokens(OpenVinoOptions().tokens_max);
  resting_embedder_.set_description(kDemoEmbedderText);
  return absl::OkStatus();
}

std::vector<StoredModel> ModelRegistry::Stored() const {
  Result<std::vector<StoredModel>> stored = store_.List();
  if (stored.ok()) return *std::move(stored);
  Log(LogLevel::kWarning, "cannot read the model store",
      {{"error", StdView(stored.status().message())}});
  return {};
}

std::string ModelRegistry::DefaultLanguage() const {
  if (!config_.language_model.empty()) return config_.language_model;
  for (const StoredModel& model : Stored()) {
    if (model.is_default && model.kind == "language") return model.name;
  }
  return kDemoLanguage;
}

std::string ModelRegistry::Names(v1::ModelKind kind) const {
  std::string names;
  for (const v1::Model& model : List()) {
    if (model.kind() == kind) StrAppend(&names, names.empty() ? "" : ", ", model.name());
  }
  return names;
}

std::shared_ptr<LanguageModel> ModelRegistry::LoadedLanguage(const std::string& name) const {
  if (name.empty()) return nullptr;  // which one is the default may have changed: Language() looks
  auto loaded = FindLanguage(name);
  // One of the store may have been removed, or replaced by another file of its name.
  return loaded != nullptr && loaded->info().digest().empty() ? loaded : nullptr;
}

std::shared_ptr<LanguageModel> ModelRegistry::FindLanguage(const std::string& name) const {
  std::lock_guard lock(mutex_);
  return FindLoaded(languages_, name);
}

std::shared_ptr<Embedder> ModelRegistry::LoadedEmbedder(const std::string& name) const {
  std::lock_guard lock(mutex_);
  const std::string& wanted = name.empty() ? config_.embedder : name;
  return FindLoaded(embedders_, wanted.empty() ? kDemoEmbedder : wanted);
}

Result<std::shared_ptr<LanguageModel>> ModelRegistry::Language(const std::string& name) {
  const std::string wanted = name.empty() ? DefaultLanguage() : name;
  std::optional<StoredModel> found;
  for (StoredModel& model : Stored()) {
    if (model.name == wanted && model.kind == "language") found = std::move(model);
  }
  const std::string digest = found ? DigestOf(*found) : std::string();
  const auto current = [this, &wanted, &digest] {
    auto loaded = FindLanguage(wanted);
    return loaded != nullptr && loaded->info().digest() == digest ? loaded : nullptr;
  };
  if (auto loaded = current()) return loaded;
  if (!found && wanted != kDemoLanguage) {
    Forget(wanted);
    return absl::NotFoundError(StrCat("there is no language model \"", wanted,
                                      "\"; there are: ", Names(v1::MODEL_KIND_LANGUAGE)));
  }
  std::lock_guard loading(loading_);
  if (auto loaded = current()) return loaded;  // meanwhile by another call
  Forget(wanted);
  TRY(auto model, LoadLanguage(config_, found, workers_));
  std::lock_guard lock(mutex_);
  languages_[wanted] = model;
  ++loads_;
  return model;
}

// A model whose file was removed or replaced; answers that it is writing end with UNAVAILABLE.
void ModelRegistry::Forget(const std::string& name) {
  std::shared_ptr<LanguageModel> old;  // goes outside the lock
  std::lock_guard lock(mutex_);
  const auto found = languages_.find(name);
  if (found == languages_.end()) return;
  old = std::move(found->second);
  languages_.erase(found);
  ++loads_;
}

Result<std::shared_ptr<Embedder>> ModelRegistry::EmbedderNamed(const std::string& name) {
  if (auto loaded = LoadedEmbedder(name)) return loaded;
  const std::string& wanted = name.empty() ? config_.embedder : name;
  if (!wanted.empty() && wanted != kDemoEmbedder) {
    return absl::NotFoundError(StrCat("there is no embedder \"", wanted,
                                      "\"; there are: ", Names(v1::MODEL_KIND_EMBEDDER)));
  }
  TRY(auto embedder, LoadMiniLm(config_, workers_));
  std::lock_guard lock(mutex_);
  ++loads_;
  const auto [at, added] = embedders_.try_emplace(kDemoEmbedder, std::move(embedder));
  return at->second;
}

std::optional<std::vector<v1::Model>> ModelRegistry::Listed() const {
  const std::optional<std::string> version = store_.Version();
  std::lock_guard lock(mutex_);
  if (!version || !listed_ || listed_->store_version != *version || listed_->loads != loads_) {
    return std::nullopt;
  }
  return listed_->models;
}

std::vector<v1::Model> ModelRegistry::List() const {
  Snapshot listed;
  const std::optional<std::string> version = store_.Version();  // before it is read
  {
    std::lock_guard lock(mutex_);
    listed.loads = loads_;
  }
  listed.models = ReadList();
  if (!version) return std::move(listed.models);
  listed.store_version = *version;
  std::lock_guard lock(mutex_);
  listed_ = listed;
  return std::move(listed.models);
}

std::vector<v1::Model> ModelRegistry::ReadList() const {
  std::map<std::string, v1::Model> all;
  v1::Model& demo = all[kDemoLanguage];
  demo.set_name(kDemoLanguage);
  demo.set_kind(v1::MODEL_KIND_LANGUAGE);
  demo.set_backend("llama.cpp");
  demo.set_demo(true);
  demo.set_description(kDemoLanguageText);
  for (const StoredModel& stored : Stored()) {
    if (stored.kind != "language") continue;
    v1::Model& model = all[stored.name];
    model.set_name(stored.name);
    model.set_kind(v1::MODEL_KIND_LANGUAGE);
    model.set_backend("llama.cpp");
    model.set_digest(DigestOf(stored));
    model.set_context_tokens(static_cast<std::uint32_t>(
        std::min<std::uint64_t>(stored.context_tokens, config_.context_tokens)));
    model.set_description(stored.description);
    model.set_demo(false);
  }
  {
    std::lock_guard lock(mutex_);
    for (const auto& [name, model] : languages_) {
      if (all.contains(name) || config_.models.contains(name)) all[name] = model->info();
    }
    if (!resting_embedder_.name().empty()) all[kDemoEmbedder] = resting_embedder_;
    for (const auto& [name, embedder] : embedders_) all[name] = embedder->info();
  }
  const std::string language = DefaultLanguage();
  const std::string embedder = config_.embedder.empty() ? kDemoEmbedder : config_.embedder;
  std::vector<v1::Model> models;
  for (auto& [name, model] : all) {
    model.set_is_default(name == (model.kind() == v1::MODEL_KIND_LANGUAGE ? language : embedder));
    models.push_back(std::move(model));
  }
  return models;
}

void ModelRegistry::Stop() {
  std::lock_guard lock(mutex_);
  for (const auto& [name, model] : languages_) model->Stop();
  for (const auto& [name, embedder] : embedders_) embedder->Stop();
}

}  // namespace tessera
