#include "app/api_json.h"

#include <optional>
#include <utility>

#include "app/exit_code.h"
#include "base/json.h"
#include "base/str.h"

namespace tessera {
namespace {

std::string Text(JsonValue object, std::string_view name) {
  const std::optional<JsonValue> value = object.Find(name);
  return std::string(value ? value->AsString().value_or("") : "");
}

std::uint64_t Number(JsonValue object, std::string_view name) {
  const std::optional<JsonValue> value = object.Find(name);
  return value ? value->AsUint().value_or(0) : 0;
}

std::uint32_t Number32(JsonValue object, std::string_view name) {
  return static_cast<std::uint32_t>(Number(object, name));
}

double Fraction(JsonValue object, std::string_view name) {
  const std::optional<JsonValue> value = object.Find(name);
  return value ? value->AsDouble().value_or(0) : 0;
}

bool Flag(JsonValue object, std::string_view name) {
  const std::optional<JsonValue> value = object.Find(name);
  return value && value->AsBool().value_or(false);
}

std::vector<JsonValue> List(JsonValue object, std::string_view name) {
  const std::optional<JsonValue> value = object.Find(name);
  return value ? value->Elements() : std::vector<JsonValue>();
}

JsonValue Object(JsonValue object, std::string_view name) {
  return object.Find(name).value_or(JsonValue());
}

Result<JsonDocument> ParseReply(std::string json) {
  Result<JsonDocument> document = JsonDocument::Parse(std::move(json));
  if (!document.ok() || !document->root().is_object())
    return absl::InternalError("the server's reply is no JSON object; is this a Tessera server?");
  return document;
}

v1::JobState JobStateOf(std::string_view word) {
  if (word == "queued") return v1::JOB_STATE_QUEUED;
  if (word == "running") return v1::JOB_STATE_RUNNING;
  if (word == "done") return v1::JOB_STATE_DONE;
  return word == "cancelled" ? v1::JOB_STATE_CANCELLED : v1::JOB_STATE_UNSPECIFIED;
}

v1::SourceState SourceStateOf(std::string_view word) {
  if (word == "failed") return v1::SOURCE_STATE_FAILED;
  if (word == "unchanged") return v1::SOURCE_STATE_UNCHANGED;
  if (word == "done") return v1::SOURCE_STATE_DONE;
  return word == "running" ? v1::SOURCE_STATE_RUNNING : v1::SOURCE_STATE_UNSPECIFIED;
}

v1::ModelKind ModelKindOf(std::string_view word) {
  if (word == "language") return v1::MODEL_KIND_LANGUAGE;
  if (word == "embedder") return v1::MODEL_KIND_EMBEDDER;
  return word == "reranker" ? v1::MODEL_KIND_RERANKER : v1::MODEL_KIND_UNSPECIFIED;
}

v1::AnswerMode AnswerModeOf(std::string_view word) {
  if (word == "extractive") return v1::ANSWER_MODE_EXTRACTIVE;
  return word == "generative" ? v1::ANSWER_MODE_GENERATIVE : v1::ANSWER_MODE_UNSPECIFIED;
}

// "42" of "/documents/x?chunk=42&…"; 0 when it is not there.
std::uint64_t QueryNumber(std::string_view url, std::string_view name) {
  const std::size_t query = url.find('?');
  if (query == url.npos) return 0;
  std::string_view rest = url.substr(query + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (!pair.starts_with(name) || pair.substr(name.size(), 1) != "=") continue;
    std::uint64_t number = 0;
    for (const char c : pair.substr(name.size() + 1)) {
      if (c < '0' || c > '9') break;
      number = number * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return number;
  }
  return 0;
}

v1::Citation CitationOf(JsonValue annotation) {
  v1::Citation citation;
  const JsonValue nested = Object(annotation, "url_citation");  // OpenAI's shape
  const JsonValue link = nested.is_object() ? nested : annotation;
  const std::string url = Text(link, "url");
  citation.set_number(Number32(annotation, "number"));
  citation.set_document_id(Text(annotation, "document_id"));
  citation.set_document_name(Text(annotation, "document"));
  citation.set_title(Text(link, "title"));
  citation.set_page(Number32(annotation, "page"));
  citation.set_quote(Text(annotation, "quote"));
  citation.set_score(static_cast<float>(Fraction(annotation, "score")));
  citation.set_chunk(static_cast<std::uint32_t>(QueryNumber(url, "chunk")));
  citation.set_start(QueryNumber(url, "start"));
  citation.set_end(QueryNumber(url, "end"));
  citation.set_answer_start(Number32(link, "start_index"));
  citation.set_answer_end(Number32(link, "end_index"));
  return citation;
}

}  // namespace

Result<v1::Job> ParseJob(std::string json) {
  TRY(const JsonDocument document, ParseReply(std::move(json)));
  const JsonValue root = document.root();
  v1::Job job;
  job.set_id(Text(root, "id"));
  if (job.id().empty()) return absl::InternalError("the server's reply is no job");
  job.set_collection(Text(root, "collection"));
  job.set_state(JobStateOf(Text(root, "state")));
  job.set_sources(Number32(root, "sources"));
  job.set_succeeded(Number32(root, "succeeded"));
  job.set_failed(Number32(root, "failed"));
  job.set_chunks(Number(root, "chunks"));
  job.set_chunks_total(Number(root, "chunks_total"));
  job.set_bytes_total(Number(root, "bytes_total"));
  job.set_bytes_done(Number(root, "bytes_done"));
  job.set_chunks_per_second(Fraction(root, "chunks_per_second"));
  for (const JsonValue item : List(root, "progress")) {
    v1::SourceProgress* source = job.add_progress();
    source->set_name(Text(item, "name"));
    source->set_state(SourceStateOf(Text(item, "state")));
    source->set_document_id(Text(item, "document_id"));
    source->set_error_code(Text(item, "error_code"));
    source->set_error(Text(item, "error"));
    source->set_chunks(Number32(item, "chunks"));
    source->set_bytes(Number(item, "bytes"));
  }
  return job;
}

Result<v1::ListCollectionsReply> ParseCollections(std::string json) {
  TRY(const JsonDocument document, ParseReply(std::move(json)));
  v1::ListCollectionsReply reply;
  for (const JsonValue item : List(document.root(), "collections")) {
    v1::Collection* collection = reply.add_collections();
    collection->set_name(Text(item, "name"));
    collection->set_id(Text(item, "id"));
    collection->set_documents(Number(item, "documents"));
    collection->set_chunks(Number(item, "chunks"));
    collection->set_bytes(Number(item, "bytes"));
    const JsonValue embedder = Object(item, "embedder");
    collection->mutable_embedder()->set_model(Text(embedder, "model"));
    collection->mutable_embedder()->set_digest(Text(embedder, "digest"));
    collection->mutable_embedder()->set_dimension(Number32(embedder, "dimension"));
  }
  return reply;
}

Result<v1::SearchReply> ParseSearchReply(std::string json) {
  TRY(const JsonDocument parsed, ParseReply(std::move(json)));
  v1::SearchReply reply;
  for (const JsonValue item : List(parsed.root(), "hits")) {
    v1::Hit* hit = reply.add_hits();
    const JsonValue document = Object(item, "document");
    hit->mutable_document()->set_id(Text(document, "id"));
    hit->mutable_document()->set_name(Text(document, "name"));
    hit->mutable_document()->set_title(Text(document, "title"));
    const JsonValue chunk = Object(item, "chunk");
    hit->mutable_chunk()->set_ordinal(Number32(chunk, "ordinal"));
    hit->mutable_chunk()->set_text(Text(chunk, "text"));
    hit->mutable_chunk()->set_heading(Text(chunk, "heading"));
    hit->mutable_chunk()->set_page(Number32(chunk, "page"));
    hit->mutable_chunk()->set_start(Number(chunk, "start"));
    hit->mutable_chunk()->set_end(Number(chunk, "end"));
    hit->set_score(static_cast<float>(Fraction(item, "score")));
  }
  return reply;
}

Result<v1::ListModelsReply> ParseSystem(std::string json) {
  TRY(const JsonDocument document, ParseReply(std::move(json)));
  v1::ListModelsReply reply;
  for (const JsonValue item : List(document.root(), "models")) {
    v1::Model* model = reply.add_models();
    model->set_name(Text(item, "name"));
    model->set_kind(ModelKindOf(Text(item, "kind")));
    model->set_backend(Text(item, "backend"));
    model->set_digest(Text(item, "digest"));
    model->set_dimension(Number32(item, "dimension"));
    model->set_context_tokens(Number32(item, "context_tokens"));
    model->set_is_default(Flag(item, "is_default"));
    model->set_demo(Flag(item, "demo"));
    model->set_description(Text(item, "description"));
  }
  return reply;
}

Result<v1::BackupReply> ParseBackupReply(std::string json) {
  TRY(const JsonDocument document, ParseReply(std::move(json)));
  v1::BackupReply reply;
  reply.set_bytes(Number(document.root(), "bytes"));
  reply.set_documents(Number(document.root(), "documents"));
  return reply;
}

Result<std::string> TakeChatChunk(std::string json, Answer& answer) {
  TRY(const JsonDocument document, ParseReply(std::move(json)));
  const JsonValue root = document.root();
  if (const JsonValue error = Object(root, "error"); error.is_object())
    return absl::InternalError(StrCat("the answer broke off: ", Text(error, "message")));
  if (const std::string model = Text(root, "model"); !model.empty()) answer.model = model;
  const JsonValue about = Object(root, "tessera");
  if (const auto mode = AnswerModeOf(Text(about, "answer_mode"));
      mode != v1::ANSWER_MODE_UNSPECIFIED)
    answer.mode = mode;
  answer.nothing_found = answer.nothing_found || Flag(about, "nothing_found");
  std::string text;
  for (const JsonValue choice : List(root, "choices")) {
    const JsonValue delta = Object(choice, "delta");
    text += Text(delta, "content");
    for (const JsonValue annotation : List(delta, "annotations"))
      answer.citations.push_back(CitationOf(annotation));
  }
  answer.text += text;
  return text;
}

Status ParseError(int http_status, std::string body) {
  std::string message;
  if (const Result<JsonDocument> document = JsonDocument::Parse(std::move(body)); document.ok()) {
    const JsonValue root = document->root();
    const JsonValue error = Object(root, "error");
    message = error.is_object() ? Text(error, "message") : Text(root, "detail");
    if (message.empty()) message = Text(root, "title");
  }
  if (message.empty()) message = StrCat("the server answered with HTTP status ", http_status);
  switch (http_status) {
    case 400:
    case 415:
    case 422:
      return absl::InvalidArgumentError(message);
    case 401:
      return absl::UnauthenticatedError(
          StrCat(message, "; give the right key with --key or TESSERA_KEY"));
    case 403:
      return absl::PermissionDeniedError(message);
    case 404:
      return absl::NotFoundError(message);
    case 409:
      return absl::FailedPreconditionError(message);
    case 413:
      return absl::OutOfRangeError(message);
    case 429:
      return absl::ResourceExhaustedError(message);
    case 503:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace tessera
