// GET /v1/models and /v1/models/{model}: language models, embedders, and a rag model for every
// collection.

#include <functional>
#include <utility>

#include "edge/facades/openai_json.h"
#include "net/http_error.h"

namespace tessera {
namespace {

void WriteModel(JsonWriter& json, std::string_view id, std::int64_t created,
                std::string_view owner) {
  json.BeginObject().Field("id", id).Field("object", "model").Field("created", created);
  json.Field("owned_by", owner).EndObject();
}

struct ModelEntry {
  std::string id;
  std::int64_t created = 0;
  std::string owner;
};

Task<Result<std::vector<ModelEntry>>> AllModels(Ctx ctx, Contracts contracts) {
  std::vector<ModelEntry> entries;
  v1::ListModelsRequest list_models;
  CO_TRY(const v1::ListModelsReply models,
         co_await contracts.inference.ListModels(ctx, list_models));
  for (const v1::Model& model : models.models()) {
    entries.push_back({model.name(), model.created_ms() / 1000, model.backend()});
  }
  v1::ListCollectionsRequest list_collections;
  CO_TRY(const v1::ListCollectionsReply collections,
         co_await contracts.retrieval.ListCollections(ctx, list_collections));
  for (const v1::Collection& collection : collections.collections()) {
    const bool is_default = collection.name() == "default";
    entries.push_back({is_default ? "rag" : StrCat("rag:", collection.name()),
                       collection.created_ms() / 1000, "tessera"});
  }
  co_return entries;
}

Task<Result<HttpReply>> List(Contracts contracts, Ctx ctx, HttpRequest request) {
  CO_TRY(const std::vector<ModelEntry> models, co_await AllModels(std::move(ctx), contracts));
  JsonWriter json;
  json.BeginObject().Field("object", "list").Key("data").BeginArray();
  for (const ModelEntry& model : models) WriteModel(json, model.id, model.created, model.owner);
  json.EndArray().EndObject();
  co_return HttpReply::Json(200, json.Take());
}

Task<Result<HttpReply>> Get(Contracts contracts, Ctx ctx, HttpRequest request) {
  CO_TRY(const std::vector<ModelEntry> models, co_await AllModels(std::move(ctx), contracts));
  const std::string_view wanted = request.Param("model");
  for (const ModelEntry& model : models) {
    if (model.id != wanted) continue;
    JsonWriter json;
    WriteModel(json, model.id, model.created, model.owner);
    co_return HttpReply::Json(200, json.Take());
  }
  co_return absl::NotFoundError(
      StrCat("there is no model \"", wanted, "\"; GET /v1/models lists them"));
}

}  // namespace

void AddOpenAiModels(HttpRoutes& routes, Contracts contracts) {
  Route list;
  list.pattern = "/v1/models";
  list.scope = "inference.read";
  list.errors = ErrorShape::kOpenAi;
  list.handler = std::bind_front(List, contracts);
  list.doc = {
      .summary = "The models that can be used",
      .tag = "openai",
      .reply_example =
          R"({"object": "list", "data": [{"id": "smollm2", "object": "model", "created": 1795449471, "owned_by": "llama.cpp"}, {"id": "rag", "object": "model", "created": 1795449472, "owned_by": "tessera"}]})"};
  routes.Add(std::move(list));

  Route get;
  get.pattern = "/v1/models/{model}";
  get.scope = "inference.read";
  get.errors = ErrorShape::kOpenAi;
  get.handler = std::bind_front(Get, contracts);
  get.doc = {
      .summary = "One model",
      .tag = "openai",
      .reply_example =
          R"({"id": "rag", "object": "model", "created": 1795449472, "owned_by": "tessera"})"};
  routes.Add(std::move(get));
}

}  // namespace tessera
