// /v1/files and the files of vector stores. A file is a document of the collection "files";
// attaching it to a vector store ingests its original there, under the same name.

#include <utility>

#include "base/field_error.h"
#include "edge/document_routes.h"
#include "edge/facades/ingest.h"
#include "edge/facades/openai_json.h"

namespace tessera {
namespace {

constexpr char kFilesCollection[] = "files";

void WriteFile(JsonWriter& json, const v1::Document& document) {
  const auto purpose = document.metadata().find("purpose");
  json.BeginObject().Field("id", document.id()).Field("object", "file");
  json.Field("bytes", document.bytes()).Field("created_at", document.created_ms() / 1000);
  json.Field("filename", document.name());
  json.Field("purpose",
             purpose == document.metadata().end() ? std::string("user_data") : purpose->second);
  json.Field("status", "processed").Key("status_details").Null().EndObject();
}

std::string FileJson(const v1::Document& document) {
  JsonWriter json;
  WriteFile(json, document);
  return json.Take();
}

Task<Result<v1::Document>> GetFile(Ctx ctx, Contracts contracts, std::string id) {
  v1::GetDocumentRequest get;
  get.set_id(std::move(id));
  co_return co_await contracts.retrieval.GetDocument(std::move(ctx), std::move(get));
}

Task<Result<HttpReply>> Upload(Contracts contracts, UploadPlace place, Ctx ctx,
                               HttpRequest request) {
  CO_TRY(Form form, co_await ReadUpload(ctx, std::move(place), std::move(request)));
  v1::IngestRequest ingest;
  ingest.set_collection(kFilesCollection);
  const std::string* purpose = form.Field("purpose");
  if (purpose == nullptr)
    co_return InvalidField("purpose", "is missing; send \"assistants\" or \"user_data\"");
  (*ingest.mutable_metadata())["purpose"] = purpose->substr(0, 64);
  CO_TRY(AddFiles(form, {"file"}, &ingest));
  if (ingest.sources_size() != 1) co_return InvalidField("file", "exactly one file is needed");
  const std::string name = ingest.sources(0).name();
  CO_TRY(const v1::Job job, co_await IngestToEnd(ctx, contracts, std::move(ingest), &form));
  CO_TRY(FirstFailure(job));
  CO_TRY(const v1::Document document,
         co_await DocumentNamed(std::move(ctx), contracts, kFilesCollection, name));
  co_return HttpReply::Json(200, FileJson(document));
}

Task<Result<HttpReply>> ListFiles(Contracts contracts, UploadPlace, Ctx ctx, HttpRequest request) {
  std::vector<v1::Document> documents;
  Result<std::vector<v1::Document>> found =
      co_await AllDocuments(std::move(ctx), contracts, kFilesCollection);
  if (found.ok())
    documents = *std::move(found);
  else if (!absl::IsNotFound(found.status()))
    co_return found.status();
  JsonWriter json;
  json.BeginObject().Field("object", "list").Key("data").BeginArray();
  for (const v1::Document& document : documents) WriteFile(json, document);
  json.EndArray().Field("has_more", false).EndObject();
  co_return HttpReply::Json(200, json.Take());
}

Task<Result<HttpReply>> RetrieveFile(Contracts contracts, UploadPlace, Ctx ctx,
                                     HttpRequest request) {
  CO_TRY(const v1::Document document,
         co_await GetFile(std::move(ctx), contracts, std::string(request.Param("file_id"))));
  co_return HttpReply::Json(200, FileJson(document));
}

Task<Result<HttpReply>> FileContent(Contracts contracts, UploadPlace place, Ctx ctx,
                                    HttpRequest request) {
  CO_TRY(const v1::Document document,
         co_await GetFile(std::move(ctx), contracts, std::string(request.Param("file_id"))));
  co_return OriginalReply(request, StrCat(place.data_folder, "/", document.original()),
                          document.bytes(), document.name(), document.media_type(),
                          StrCat("\"", document.sha256(), "\""));
}

Task<Result<HttpReply>> DeleteFile(Contracts contracts, UploadPlace, Ctx ctx, HttpRequest request) {
  const std::string id(request.Param("file_id"));
  CO_TRY(co_await GetFile(ctx, contracts, id));
  v1::DeleteDocumentRequest remove;
  remove.set_id(id);
  CO_TRY(co_await contracts.retrieval.DeleteDocument(std::move(ctx), std::move(remove)));
  JsonWriter json;
  json.BeginObject().Field("id", id).Field("object", "file").Field("deleted", true).EndObject();
  co_return HttpReply::Json(200, json.Take());
}

void WriteStoreFile(JsonWriter& json, std::string_view id, std::string_view store,
                    const v1::Document& document, const Status& failure) {
  json.BeginObject().Field("id", id).Field("object", "vector_store.file");
  json.Field("usage_bytes", document.bytes()).Field("created_at", document.created_ms() / 1000);
  json.Field("vector_store_id", store).Field("status", failure.ok() ? "completed" : "failed");
  json.Key("last_error");
  if (failure.ok())
    json.Null();
  else {
    json.BeginObject()
        .Field("code", "invalid_file")
        .Field("message", StdView(failure.message()))
        .EndObject();
  }
  json.Key("attributes").BeginObject().EndObject().EndObject();
}

Task<Result<v1::Collection>> GetStore(Ctx ctx, Contracts contracts, const HttpRequest* request) {
  v1::GetCollectionRequest get;
  get.set_name(std::string(request->Param("id")));
  co_return co_await contracts.retrieval.GetCollection(std::move(ctx), std::move(get));
}

Task<Result<HttpReply>> Attach(Contracts contracts, UploadPlace place, Ctx ctx,
                               HttpRequest request) {
  CO_TRY(const v1::Collection store, co_await GetStore(ctx, contracts, &request));
  CO_TRY(const JsonDocument body, JsonDocument::Parse(std::move(request.body)));
  JsonErrors errors;
  JsonFields fields(body.root(), "", errors);
  std::string file_id;
  fields.Require("file_id");
  fields.String("file_id", &file_id, 128);
  fields.Ignore({"attributes", "chunking_strategy"});
  fields.Finish();
  CO_TRY(errors.status());
  CO_TRY(const v1::Document file, co_await GetFile(ctx, contracts, file_id));
  v1::IngestRequest ingest;
  ingest.set_collection(store.name());
  v1::Source* source = ingest.add_sources();
  source->set_path(StrCat(place.data_folder, "/", file.original()));
  source->set_name(file.name());
  source->set_media_type(file.media_type());
  Form nothing;
  CO_TRY(const v1::Job job,
         co_await IngestToEnd(std::move(ctx), contracts, std::move(ingest), &nothing));
  JsonWriter json;
  WriteStoreFile(json, file_id, store.id(), file, FirstFailure(job));
  co_return HttpReply::Json(200, json.Take());
}

// The document in the store that a file id means: its own id, or that of the file it was made from.
Task<Result<v1::Document>> StoreFile(Ctx ctx, Contracts contracts, std::string store,
                                     std::string file_id) {
  CO_TRY(v1::Document file, co_await GetFile(ctx, contracts, std::move(file_id)));
  if (file.collection() == store) co_return file;
  co_return co_await DocumentNamed(std::move(ctx), contracts, std::move(store), file.name());
}

Task<Result<HttpReply>> ListStoreFiles(Contracts contracts, UploadPlace, Ctx ctx,
                                       HttpRequest request) {
  CO_TRY(const v1::Collection store, co_await GetStore(ctx, contracts, &request));
  CO_TRY(const std::vector<v1::Document> documents,
         co_await AllDocuments(std::move(ctx), contracts, store.name()));
  JsonWriter json;
  json.BeginObject().Field("object", "list").Key("data").BeginArray();
  for (const v1::Document& document : documents) {
    WriteStoreFile(json, document.id(), store.id(), document, absl::OkStatus());
  }
  json.EndArray().Field("has_more", false).EndObject();
  co_return HttpReply::Json(200, json.Take());
}

Task<Result<HttpReply>> RetrieveStoreFile(Contracts contracts, UploadPlace, Ctx ctx,
                                          HttpRequest request) {
  CO_TRY(const v1::Collection store, co_await GetStore(ctx, contracts, &request));
  const std::string file_id(request.Param("file_id"));
  CO_TRY(const v1::Document document,
         co_await StoreFile(std::move(ctx), contracts, store.name(), file_id));
  JsonWriter json;
  WriteStoreFile(json, file_id, store.id(), document, absl::OkStatus());
  co_return HttpReply::Json(200, json.Take());
}

Task<Result<HttpReply>> Detach(Contracts contracts, UploadPlace, Ctx ctx, HttpRequest request) {
  CO_TRY(const v1::Collection store, co_await GetStore(ctx, contracts, &request));
  const std::string file_id(request.Param("file_id"));
  CO_TRY(const v1::Document document, co_await StoreFile(ctx, contracts, store.name(), file_id));
  v1::DeleteDocumentRequest remove;
  remove.set_id(document.id());
  CO_TRY(co_await contracts.retrieval.DeleteDocument(std::move(ctx), std::move(remove)));
  JsonWriter json;
  json.BeginObject()
      .Field("id", file_id)
      .Field("object", "vector_store.file.deleted")
      .Field("deleted", true);
  json.EndObject();
  co_return HttpReply::Json(200, json.Take());
}

constexpr char kFileExample[] =
    R"({"id": "file-…", "object": "file", "bytes": 41, "created_at": 1795449473, "filename": "lease.md", "purpose": "assistants", "status": "processed", "status_details": null})";
constexpr char kStoreFileExample[] =
    R"({"id": "file-…", "object": "vector_store.file", "usage_bytes": 41, "created_at": 1795449473, "vector_store_id": "vs_…", "status": "completed", "last_error": null, "attributes": {}})";

using Handler = Task<Result<HttpReply>> (*)(Contracts, UploadPlace, Ctx, HttpRequest);

Route FileRoute(Contracts contracts, const UploadPlace& place, HttpMethod method,
                std::string pattern, std::string scope, std::string summary, Handler handler,
                std::string example) {
  Route route;
  route.method = method;
  route.pattern = std::move(pattern);
  route.scope = std::move(scope);
  route.errors = ErrorShape::kOpenAi;
  if (method == HttpMethod::kPost) route.body = BodyKind::kBuffered;
  route.doc = {.summary = std::move(summary), .tag = "openai", .reply_example = std::move(example)};
  route.handler = [contracts, place, handler](Ctx ctx, HttpRequest request) {
    return handler(contracts, place, std::move(ctx), std::move(request));
  };
  return route;
}

}  // namespace

void AddOpenAiFiles(HttpRoutes& routes, Contracts contracts, UploadPlace place) {
  const auto add = [&](HttpMethod method, const char* pattern, const char* scope,
                       const char* summary, Handler handler, const char* example) {
    routes.Add(FileRoute(contracts, place, method, pattern, scope, summary, handler, example));
  };
  Route upload = FileRoute(contracts, place, HttpMethod::kPost, "/v1/files", "dataprep.write",
                           "Upload a file; answers when it is searchable", Upload, kFileExample);
  TakesForm(upload, place);
  upload.doc.request_schema =
      R"({"type":"object","required":["file","purpose"],"properties":{"file":{"type":"string","format":"binary"},"purpose":{"type":"string"}}})";
  routes.Add(std::move(upload));
  add(HttpMethod::kGet, "/v1/files", "retrieval.read", "The uploaded files", ListFiles,
      R"({"object": "list", "data": [{"id": "file-…", "object": "file", "bytes": 41, "created_at": 1795449473, "filename": "lease.md", "purpose": "assistants", "status": "processed", "status_details": null}], "has_more": false})");
  add(HttpMethod::kGet, "/v1/files/{file_id}", "retrieval.read", "One file", RetrieveFile,
      kFileExample);
  Route content = FileRoute(contracts, place, HttpMethod::kGet, "/v1/files/{file_id}/content",
                            "retrieval.read", "The bytes of a file", FileContent, "");
  content.doc.reply_media_type = "";  // the file's own; OpenAI's client accepts application/binary
  routes.Add(std::move(content));
  add(HttpMethod::kDelete, "/v1/files/{file_id}", "retrieval.write", "Delete a file", DeleteFile,
      R"({"id": "file-…", "object": "file", "deleted": true})");
  const char* store_files = "/v1/vector_stores/{id}/files";
  const char* store_file = "/v1/vector_stores/{id}/files/{file_id}";
  add(HttpMethod::kPost, store_files, "dataprep.write", "Put a file into a vector store", Attach,
      kStoreFileExample);
  add(HttpMethod::kGet, store_files, "retrieval.read", "The files of a vector store",
      ListStoreFiles,
      R"({"object": "list", "data": [{"id": "file-…", "object": "vector_store.file", "usage_bytes": 41, "created_at": 1795449473, "vector_store_id": "vs_…", "status": "completed", "last_error": null, "attributes": {}}], "has_more": false})");
  add(HttpMethod::kGet, store_file, "retrieval.read", "One file of a vector store",
      RetrieveStoreFile, kStoreFileExample);
  add(HttpMethod::kDelete, store_file, "retrieval.write", "Take a file out of a vector store",
      Detach, R"({"id": "file-…", "object": "vector_store.file.deleted", "deleted": true})");
}

}  // namespace tessera
