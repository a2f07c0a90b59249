// /v1/vector_stores: collections as OpenAI's vector stores, and search in them.

#include <map>
#include <utility>

#include "base/field_error.h"
#include "edge/facades/openai_json.h"

namespace tessera {
namespace {

constexpr int kFilterDepthMax = 8;

constexpr char kSearchSchema[] = R"({
  "type": "object", "required": ["query"],
  "properties": {
    "query": {"type": ["string", "array"]}, "max_num_results": {"type": "integer", "minimum": 1, "maximum": 50},
    "filters": {"type": "object"}, "ranking_options": {"type": "object"}, "rewrite_query": {"type": "boolean"}}})";

// {"type": "eq", "key": …, "value": …} or {"type": "and", "filters": […]}.
v1::Filter ReadFilter(JsonValue value, const std::string& path, JsonErrors& errors, int depth) {
  v1::Filter filter;
  JsonFields fields(value, path, errors);
  std::string type;
  fields.Require("type");
  fields.OneOf("type", &type, {"eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "and", "or"});
  if (type == "and" || type == "or") {
    filter.mutable_group()->set_any(type == "or");
    const auto elements = fields.Array("filters");
    if (depth >= kFilterDepthMax) {
      fields.Error("filters", StrCat("nested deeper than ", kFilterDepthMax));
    } else if (elements) {
      for (std::size_t i = 0; i < elements->size(); ++i) {
        *filter.mutable_group()->add_filters() =
            ReadFilter((*elements)[i], fields.At("filters", i), errors, depth + 1);
      }
    }
  } else {
    v1::Filter::Comparison& comparison = *filter.mutable_comparison();
    comparison.set_op(type);
    fields.Require("key");
    fields.String("key", comparison.mutable_key(), 256);
    fields.Require("value");
    const auto given = fields.Take("value");
    const std::vector<JsonValue> values = !given              ? std::vector<JsonValue>()
                                          : given->is_array() ? given->Elements()
                                                              : std::vector<JsonValue>{*given};
    for (const JsonValue& item : values) {
      if (item.kind() == JsonValue::Kind::kNumber) comparison.set_numeric(true);
      comparison.add_values(item.AsString() ? std::string(*item.AsString()) : item.ToJson());
    }
  }
  fields.Finish();
  return filter;
}

struct StoreSearch {
  std::vector<std::string> queries;
  v1::SearchRequest search;
  std::int64_t results_max = 10;
};

Result<StoreSearch> ReadSearch(std::string body) {
  TRY(const JsonDocument document, JsonDocument::Parse(std::move(body)));
  JsonErrors errors;
  JsonFields fields(document.root(), "", errors);
  StoreSearch read;
  fields.Require("query");
  fields.Strings("query", &read.queries, true);
  fields.Int("max_num_results", &read.results_max, 1, 50);
  if (const auto filters = fields.Object("filters")) {
    *read.search.mutable_filter() = ReadFilter(*filters, "filters", errors, 0);
  }
  if (const auto object = fields.Object("ranking_options")) {
    JsonFields options(*object, "ranking_options", errors);
    double threshold = 0;
    if (options.Double("score_threshold", &threshold, 0, 1)) {
      read.search.set_score_threshold(static_cast<float>(threshold));
    }
    options.Ignore({"ranker"});
    options.Finish();
  }
  fields.Ignore({"rewrite_query"});
  fields.Finish();
  TRY(errors.status());
  return read;
}

// One result a document, with its chunks as the result's contents, best document first.
std::string ResultsJson(const StoreSearch& search, const v1::SearchReply& reply) {
  std::vector<std::vector<const v1::Hit*>> documents;
  std::map<std::string, std::size_t> position;
  for (const v1::Hit& hit : reply.hits()) {
    const auto [at, is_new] = position.emplace(hit.document().id(), documents.size());
    if (is_new) documents.emplace_back();
    documents[at->second].push_back(&hit);
  }
  if (documents.size() > static_cast<std::size_t>(search.results_max)) {
    documents.resize(static_cast<std::size_t>(search.results_max));
  }
  JsonWriter json(4096);
  json.BeginObject().Field("object", "vector_store.search_results.page");
  json.Key("search_query").BeginArray();
  for (const std::string& query : search.queries) json.Value(query);
  json.EndArray().Key("data").BeginArray();
  for (const std::vector<const v1::Hit*>& hits : documents) {
    const v1::Document& document = hits.front()->document();
    json.BeginObject().Field("file_id", document.id()).Field("filename", document.name());
    json.Field("score", hits.front()->score()).Key("attributes").BeginObject();
    for (const auto& [key, value] : document.metadata()) json.Field(key, value);
    json.EndObject().Key("content").BeginArray();
    for (const v1::Hit* hit : hits) {
      json.BeginObject().Field("type", "text").Field("text", hit->chunk().text()).EndObject();
    }
    json.EndArray().EndObject();
  }
  json.EndArray().Field("has_more", false).Key("next_page").Null().EndObject();
  return json.Take();
}

Task<Result<HttpReply>> Search(Contracts contracts, Ctx ctx, HttpRequest request) {
  CO_TRY(StoreSearch search, ReadSearch(std::move(request.body)));
  std::string query;
  for (const std::string& text : search.queries) StrAppend(&query, query.empty() ? "" : " ", text);
  if (query.empty()) co_return InvalidField("query", "must not be empty");
  search.search.set_collection(std::string(request.Param("id")));
  search.search.set_query(std::move(query));
  search.search.set_group_by_document(true);
  search.search.set_limit(
      static_cast<std::uint32_t>(std::min<std::int64_t>(search.results_max * 3, 200)));
  CO_TRY(const v1::SearchReply reply,
         co_await contracts.orchestration.Search(std::move(ctx), search.search));
  co_return HttpReply::Json(200, ResultsJson(search, reply));
}

void WriteStore(JsonWriter& json, const v1::Collection& collection) {
  json.BeginObject().Field("id", collection.id()).Field("object", "vector_store");
  json.Field("created_at", collection.created_ms() / 1000).Field("name", collection.name());
  json.Field("usage_bytes", collection.bytes()).Key("file_counts").BeginObject();
  json.Field("in_progress", 0).Field("completed", collection.documents());
  json.Field("failed", 0).Field("cancelled", 0).Field("total", collection.documents()).EndObject();
  json.Field("status", "completed").Key("expires_after").Null().Key("expires_at").Null();
  json.Field("last_active_at", collection.updated_ms() / 1000)
      .Key("metadata")
      .BeginObject()
      .EndObject();
  json.EndObject();
}

Task<Result<HttpReply>> ListStores(Contracts contracts, Ctx ctx, HttpRequest request) {
  v1::ListCollectionsRequest list;
  CO_TRY(const v1::ListCollectionsReply reply,
         co_await contracts.retrieval.ListCollections(std::move(ctx), list));
  JsonWriter json;
  json.BeginObject().Field("object", "list").Key("data").BeginArray();
  for (const v1::Collection& collection : reply.collections()) WriteStore(json, collection);
  json.EndArray();
  json.Key("first_id");
  if (reply.collections().empty())
    json.Null().Key("last_id").Null();
  else {
    json.Value(reply.collections(0).id());
    json.Field("last_id", reply.collections(reply.collections_size() - 1).id());
  }
  json.Field("has_more", false).EndObject();
  co_return HttpReply::Json(200, json.Take());
}

std::string StoreJson(const v1::Collection& collection) {
  JsonWriter json;
  WriteStore(json, collection);
  return json.Take();
}

Task<Result<HttpReply>> CreateStore(Contracts contracts, Ctx ctx, HttpRequest request) {
  CO_TRY(const JsonDocument document, JsonDocument::Parse(std::move(request.body)));
  JsonErrors errors;
  JsonFields fields(document.root(), "", errors);
  v1::CreateCollectionRequest create;
  fields.Require("name");
  fields.String("name", create.mutable_name(), 64);
  fields.Ignore({"metadata", "description", "expires_after", "chunking_strategy"});
  const auto files = fields.Array("file_ids");
  if (files && !files->empty())
    fields.Error("file_ids", "attach files with POST /v1/vector_stores/{id}/files");
  fields.Finish();
  CO_TRY(errors.status());
  CO_TRY(const v1::Collection collection,
         co_await contracts.retrieval.CreateCollection(std::move(ctx), std::move(create)));
  co_return HttpReply::Json(200, StoreJson(collection));
}

Task<Result<HttpReply>> GetStore(Contracts contracts, Ctx ctx, HttpRequest request) {
  v1::GetCollectionRequest get;
  get.set_name(std::string(request.Param("id")));
  CO_TRY(const v1::Collection collection,
         co_await contracts.retrieval.GetCollection(std::move(ctx), std::move(get)));
  co_return HttpReply::Json(200, StoreJson(collection));
}

Task<Result<HttpReply>> DeleteStore(Contracts contracts, Ctx ctx, HttpRequest request) {
  v1::GetCollectionRequest get;
  get.set_name(std::string(request.Param("id")));
  CO_TRY(const v1::Collection collection,
         co_await contracts.retrieval.GetCollection(ctx, std::move(get)));
  v1::DeleteCollectionRequest remove;
  remove.set_name(collection.name());
  CO_TRY(co_await contracts.retrieval.DeleteCollection(std::move(ctx), std::move(remove)));
  JsonWriter json;
  json.BeginObject().Field("id", collection.id()).Field("object", "vector_store.deleted");
  json.Field("deleted", true).EndObject();
  co_return HttpReply::Json(200, json.Take());
}

constexpr char kStoreExample[] =
    R"({"id": "vs_…", "object": "vector_store", "created_at": 1795449472, "name": "default", "usage_bytes": 41, "file_counts": {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 1}, "status": "completed", "expires_after": null, "expires_at": null, "last_active_at": 1795449473, "metadata": {}})";

using Handler = Task<Result<HttpReply>> (*)(Contracts, Ctx, HttpRequest);

Route StoreRoute(Contracts contracts, HttpMethod method, std::string pattern, std::string summary,
                 Handler handler, std::string example) {
  Route route;
  route.method = method;
  route.pattern = std::move(pattern);
  const bool reads = method == HttpMethod::kGet || route.pattern.ends_with("/search");
  route.scope = reads ? "retrieval.read" : "retrieval.write";
  route.errors = ErrorShape::kOpenAi;
  if (method == HttpMethod::kPost) route.body = BodyKind::kBuffered;
  route.handler = [contracts, handler](Ctx ctx, HttpRequest request) {
    return handler(contracts, std::move(ctx), std::move(request));
  };
  route.doc = {.summary = std::move(summary), .tag = "openai", .reply_example = std::move(example)};
  return route;
}

}  // namespace

void AddOpenAiVectorStores(HttpRoutes& routes, Contracts contracts) {
  routes.Add(StoreRoute(
      contracts, HttpMethod::kGet, "/v1/vector_stores", "The vector stores: every collection",
      ListStores,
      R"({"object": "list", "data": [{"id": "vs_…", "object": "vector_store", "created_at": 1795449472, "name": "default", "usage_bytes": 41, "file_counts": {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 1}, "status": "completed", "expires_after": null, "expires_at": null, "last_active_at": 1795449473, "metadata": {}}], "first_id": "vs_…", "last_id": "vs_…", "has_more": false})"));
  routes.Add(StoreRoute(contracts, HttpMethod::kPost, "/v1/vector_stores", "Make a collection",
                        CreateStore, kStoreExample));
  routes.Add(StoreRoute(contracts, HttpMethod::kGet, "/v1/vector_stores/{id}", "One vector store",
                        GetStore, kStoreExample));
  routes.Add(StoreRoute(contracts, HttpMethod::kDelete, "/v1/vector_stores/{id}",
                        "Delete a collection with its documents", DeleteStore,
                        R"({"id": "vs_…", "object": "vector_store.deleted", "deleted": true})"));
  Route search = StoreRoute(
      contracts, HttpMethod::kPost, "/v1/vector_stores/{id}/search",
      "Search a vector store (hybrid: words and meaning)", Search,
      R"({"object": "vector_store.search_results.page", "search_query": ["notice period"], "data": [{"file_id": "file-…", "filename": "lease.md", "score": 0.83, "attributes": {}, "content": [{"type": "text", "text": "The notice period is six weeks."}]}], "has_more": false, "next_page": null})");
  search.doc.request_schema = kSearchSchema;
  search.doc.request_example = R"({"query": "how long is the warranty", "max_num_results": 5})";
  routes.Add(std::move(search));
}

}  // namespace tessera
