// OPEA's dataprep: /v1/dataprep/{ingest,get,delete,indices}. An index is a collection.

#include <functional>
#include <utility>

#include "base/field_error.h"
#include "edge/facades/ingest.h"
#include "edge/facades/openai_json.h"
#include "net/http_error.h"

namespace tessera {
namespace {

constexpr std::uint32_t kCharactersPerToken = 4;  // OPEA counts chunk sizes in characters

constexpr char kIngestSchema[] = R"({
  "type": "object",
  "properties": {
    "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
    "link_list": {"type": "string", "description": "a JSON list of URLs"},
    "index_name": {"type": "string"}, "chunk_size": {"type": "integer"}, "chunk_overlap": {"type": "integer"},
    "process_table": {"type": "string"}, "table_strategy": {"type": "string"}}})";

// A size in characters as one in tokens; 0 when the form does not say.
Result<std::uint32_t> ReadTokens(const Form& form, std::string_view name) {
  TRY(const std::uint32_t characters, ReadNumber(form, name));
  return characters / kCharactersPerToken;
}

Task<Result<HttpReply>> Ingest(Contracts contracts, UploadPlace place, Ctx ctx,
                               HttpRequest request) {
  CO_TRY(Form form, co_await ReadUpload(ctx, std::move(place), std::move(request)));
  v1::IngestRequest ingest;
  const std::string* index = form.Field("index_name");
  ingest.set_collection(index != nullptr && !index->empty() ? *index : "default");
  ingest.set_refuse_existing(true);
  CO_TRY(const std::uint32_t size, ReadTokens(form, "chunk_size"));
  ingest.mutable_chunking()->set_tokens_max(size);
  CO_TRY(const std::uint32_t overlap, ReadTokens(form, "chunk_overlap"));
  ingest.mutable_chunking()->set_overlap_tokens(overlap);
  CO_TRY(AddLinks(form, "link_list", &ingest));
  CO_TRY(AddFiles(form, {"files"}, &ingest));
  if (ingest.sources().empty())
    co_return InvalidField("files", "neither files nor link_list was sent");
  const Result<v1::Job> job =
      co_await IngestToEnd(std::move(ctx), contracts, std::move(ingest), &form);
  if (absl::IsAlreadyExists(job.status())) co_return WithHttpStatus(job.status(), 400);
  CO_TRY(Status(job.status()));
  CO_TRY(FirstFailure(*job));
  co_return HttpReply::Json(200, R"({"status":200,"message":"Data preparation succeeded"})");
}

/// The small JSON bodies of get and delete; an empty body is {}.
struct IndexRequest {
  std::string index;
  std::string file_path;
};

Result<IndexRequest> Read(std::string body, bool needs_path) {
  TRY(const JsonDocument document, JsonDocument::Parse(body.empty() ? "{}" : std::move(body)));
  JsonErrors errors;
  JsonFields fields(document.root(), "", errors);
  IndexRequest request;
  fields.String("index_name", &request.index, 64);
  if (needs_path) fields.Require("file_path");
  fields.String("file_path", &request.file_path, 4096);
  fields.Finish();
  TRY(errors.status());
  return request;
}

Task<Result<std::vector<std::string>>> Indices(Ctx ctx, Contracts contracts, std::string index) {
  std::vector<std::string> names;
  if (index != "all") {
    names.push_back(index.empty() ? "default" : std::move(index));
    co_return names;
  }
  v1::ListCollectionsRequest list;
  CO_TRY(const v1::ListCollectionsReply reply,
         co_await contracts.retrieval.ListCollections(std::move(ctx), list));
  for (const v1::Collection& collection : reply.collections()) names.push_back(collection.name());
  co_return names;
}

Task<Result<HttpReply>> Get(Contracts contracts, Ctx ctx, HttpRequest http) {
  CO_TRY(IndexRequest request, Read(std::move(http.body), false));
  CO_TRY(const std::vector<std::string> indices, co_await Indices(ctx, contracts, request.index));
  JsonWriter json;
  json.BeginArray();
  for (const std::string& index : indices) {
    CO_TRY(const std::vector<v1::Document> documents, co_await AllDocuments(ctx, contracts, index));
    for (const v1::Document& document : documents) {
      json.BeginObject().Field("name", document.name()).Field("id", document.name());
      json.Field("type", "File").Field("parent", "").EndObject();
    }
  }
  json.EndArray();
  co_return HttpReply::Json(200, json.Take());
}

Task<Result<HttpReply>> Delete(Contracts contracts, Ctx ctx, HttpRequest http) {
  CO_TRY(IndexRequest request, Read(std::move(http.body), true));
  const std::string index = request.index.empty() ? "default" : request.index;
  std::vector<v1::Document> documents;
  if (request.file_path == "all") {
    CO_TRY(documents, co_await AllDocuments(ctx, contracts, index));
  } else {
    CO_TRY(documents.emplace_back(),
           co_await DocumentNamed(ctx, contracts, index, request.file_path));
  }
  for (const v1::Document& document : documents) {
    v1::DeleteDocumentRequest remove;
    remove.set_id(document.id());
    CO_TRY(co_await contracts.retrieval.DeleteDocument(ctx, std::move(remove)));
  }
  co_return HttpReply::Json(200, R"({"status":true})");
}

Task<Result<HttpReply>> ListIndices(Contracts contracts, Ctx ctx, HttpRequest http) {
  CO_TRY(const std::vector<std::string> indices,
         co_await Indices(std::move(ctx), contracts, "all"));
  JsonWriter json;
  json.BeginArray();
  for (const std::string& index : indices) json.Value(index);
  json.EndArray();
  co_return HttpReply::Json(200, json.Take());
}

Route DataprepRoute(std::string_view verb, std::string scope, std::string summary) {
  Route route;
  route.method = HttpMethod::kPost;
  route.pattern = StrCat("/v1/dataprep/", verb);
  route.scope = std::move(scope);
  route.errors = ErrorShape::kOpea;
  route.body = BodyKind::kBuffered;
  route.media_types = {};  // OPEA's clients send get and indices with any or none
  route.doc = {.summary = std::move(summary), .tag = "opea"};
  return route;
}

}  // namespace

void AddOpeaDataprep(HttpRoutes& routes, Contracts contracts, UploadPlace place) {
  Route ingest = DataprepRoute("ingest", "dataprep.write",
                               "Ingest files and links; answers when all is searchable");
  TakesForm(ingest, place);
  ingest.doc.request_schema = kIngestSchema;
  ingest.doc.reply_example = R"({"status": 200, "message": "Data preparation succeeded"})";
  ingest.handler = std::bind_front(Ingest, contracts, place);
  routes.Add(std::move(ingest));

  Route get = DataprepRoute("get", "retrieval.read", "The documents of an index");
  get.doc.request_example = R"({"index_name": "all"})";
  get.doc.reply_example =
      R"([{"name": "lease.md", "id": "lease.md", "type": "File", "parent": ""}])";
  get.handler = std::bind_front(Get, contracts);
  routes.Add(std::move(get));

  Route remove =
      DataprepRoute("delete", "retrieval.write", "Delete a document by its name, or all");
  remove.doc.request_example = R"({"file_path": "lease.md"})";
  remove.doc.reply_example = R"({"status": true})";
  remove.handler = std::bind_front(Delete, contracts);
  routes.Add(std::move(remove));

  Route indices =
      DataprepRoute("indices", "retrieval.read", "The names of the indices: every collection");
  indices.doc.reply_example = R"(["default", "files"])";
  indices.handler = std::bind_front(ListIndices, contracts);
  routes.Add(std::move(indices));
}

}  // namespace tessera
