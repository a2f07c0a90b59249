// OPEA's microservices around retrieval: /v1/retrieval and /v1/reranking. Each answers in the form
// of its question: a document with an embedding, a retrieval request, or a chat that travels
// through a pipeline.

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/field_error.h"
#include "base/ids.h"
#include "edge/facades/openai_json.h"

namespace tessera {
namespace {

constexpr char kRetrievalSchema[] = R"({
  "type": "object",
  "properties": {
    "text": {"type": "string"}, "input": {"type": "string"}, "messages": {"type": ["string", "array"]},
    "embedding": {"type": "array", "items": {"type": "number"}}, "k": {"type": "integer", "default": 4},
    "search_type": {"type": "string"}, "fetch_k": {"type": "integer"}, "lambda_mult": {"type": "number"},
    "score_threshold": {"type": "number"}, "distance_threshold": {"type": "number"}, "index_name": {"type": "string"}}})";

constexpr char kRerankingSchema[] = R"({
  "type": "object", "required": ["retrieved_docs"],
  "properties": {
    "initial_query": {"type": "string"}, "input": {"type": "string"}, "messages": {"type": ["string", "array"]},
    "retrieved_docs": {"type": "array", "items": {"type": "object", "properties": {"text": {"type": "string"}}}},
    "top_n": {"type": "integer", "default": 1}}})";

std::string HexId() { return Hex(RandomId()) + Hex(RandomId()); }

/// In which form a request came, which is the form of its reply.
enum class Form { kDocument, kRequest, kChat };

// The question of any form: `text` (EmbedDoc), `input` (RetrievalRequest) or the last message
// (chat).
Form ReadQuestion(JsonFields& fields, std::string_view document_field, JsonErrors& errors,
                  std::string* question) {
  if (fields.Take("messages")) {
    const auto messages = fields.Take("messages");
    if (const auto text = messages->AsString()) *question = *text;
    for (const JsonValue& element : messages->Elements()) {
      JsonFields message(element, "messages", errors);
      message.String("content", question);
    }
    return Form::kChat;
  }
  if (fields.Take(document_field)) {
    fields.String(document_field, question);
    return Form::kDocument;
  }
  if (!fields.Take("input")) {
    fields.Error(document_field, StrCat("is needed (or \"input\", or \"messages\")"));
  }
  fields.String("input", question);
  return Form::kRequest;
}

void ReadVector(JsonFields& fields, v1::SearchRequest& search) {
  const auto elements = fields.Take("embedding");
  if (!elements) return;
  std::vector<JsonValue> numbers = elements->Elements();
  if (!numbers.empty() && numbers.front().is_array())
    numbers = numbers.front().Elements();  // [[…]]
  for (const JsonValue& value : numbers) {
    const auto number = value.AsDouble();
    if (!number) {
      fields.Error("embedding", "must be a list of numbers");
      return;
    }
    search.add_vector(static_cast<float>(*number));
  }
}

void ReadSearchOptions(JsonFields& fields, v1::SearchRequest& search) {
  std::int64_t k = 4;
  fields.Int("k", &k, 1, 200);
  search.set_limit(static_cast<std::uint32_t>(k));
  std::string type = "similarity";
  fields.OneOf(
      "search_type", &type,
      {"similarity", "similarity_distance_threshold", "similarity_score_threshold", "mmr"});
  std::int64_t fetch = 20;
  fields.Int("fetch_k", &fetch, 1, 1000);
  double lambda = 0.5;
  fields.Double("lambda_mult", &lambda, 0, 1);
  if (type == "mmr") {
    search.set_mmr_lambda(static_cast<float>(lambda));
    search.set_fetch(static_cast<std::uint32_t>(fetch));
  }
  double score = 0.2;
  fields.Double("score_threshold", &score, 0, 1);
  if (type == "similarity_score_threshold") search.set_score_threshold(static_cast<float>(score));
  double distance = 0;
  const bool has_distance = fields.Double("distance_threshold", &distance, 0, 2);
  if (type == "similarity_distance_threshold" && has_distance) {
    search.set_distance_threshold(static_cast<float>(distance));
  }
}

void WriteMetadata(JsonWriter& json, const v1::Hit& hit) {
  json.BeginObject()
      .Field("source", hit.document().name())
      .Field("document_id", hit.document().id());
  json.Field("page", hit.chunk().page()).Field("start", hit.chunk().start());
  json.Field("end", hit.chunk().end()).Field("score", hit.score()).EndObject();
}

std::string RetrievedJson(Form form, const JsonValue& request, const std::string& question,
                          const v1::SearchReply& reply) {
  JsonWriter json(4096);
  json.BeginObject();
  if (form == Form::kRequest) {
    json.Key("retrieved_docs").BeginArray();
    for (const v1::Hit& hit : reply.hits()) {
      json.BeginObject().Field("text", hit.chunk().text()).Key("metadata");
      WriteMetadata(json, hit);
      json.EndObject();
    }
    json.EndArray().EndObject();
    return json.Take();
  }
  if (form == Form::kChat) {
    for (const auto& [name, value] : request.Members()) {
      if (name != "retrieved_docs" && name != "documents") json.Key(name).Raw(value.ToJson());
    }
  } else {
    json.Field("id", HexId());
  }
  json.Key("retrieved_docs").BeginArray();
  for (const v1::Hit& hit : reply.hits()) {
    json.BeginObject().Field("id", HexId()).Field("text", hit.chunk().text()).EndObject();
  }
  json.EndArray();
  if (form == Form::kChat) {
    json.Key("documents").BeginArray();
    for (const v1::Hit& hit : reply.hits()) json.Value(hit.chunk().text());
    json.EndArray();
  } else {
    json.Field("initial_query", question).Field("top_n", 1).Key("metadata").BeginArray();
    for (const v1::Hit& hit : reply.hits()) WriteMetadata(json, hit);
    json.EndArray();
  }
  json.EndObject();
  return json.Take();
}

Task<Result<HttpReply>> Retrieve(Contracts contracts, Ctx ctx, HttpRequest http) {
  CO_TRY(const JsonDocument document, JsonDocument::Parse(std::move(http.body)));
  JsonErrors errors;
  JsonFields fields(document.root(), "", errors);
  v1::SearchRequest search;
  std::string question;
  const Form form = ReadQuestion(fields, "text", errors, &question);
  ReadVector(fields, search);
  ReadSearchOptions(fields, search);
  std::string index = "default";
  fields.String("index_name", &index, 64);
  CO_TRY(errors.status());
  if (question.empty() && search.vector_size() == 0) {
    co_return InvalidField("text", "is empty, and there is no embedding");
  }
  search.set_collection(index);
  search.set_query(question);
  if (question.empty()) search.set_mode(v1::SEARCH_MODE_VECTOR);
  CO_TRY(const v1::SearchReply reply,
         co_await contracts.orchestration.Search(std::move(ctx), std::move(search)));
  co_return HttpReply::Json(200, RetrievedJson(form, document.root(), question, reply));
}

struct Ranked {
  std::string text;
  float score;
};

std::string RankedJson(Form form, const JsonValue& request, const std::string& question,
                       const std::vector<Ranked>& ranked) {
  JsonWriter json(4096);
  json.BeginObject();
  if (form == Form::kRequest) {
    json.Key("reranked_docs").BeginArray();
    for (const Ranked& passage : ranked) {
      json.BeginObject().Field("text", passage.text).Field("score", passage.score).EndObject();
    }
    json.EndArray().EndObject();
    return json.Take();
  }
  if (form == Form::kChat) {
    for (const auto& [name, value] : request.Members()) {
      if (name != "reranked_docs" && name != "documents") json.Key(name).Raw(value.ToJson());
    }
    json.Key("reranked_docs").BeginArray();
    for (const Ranked& passage : ranked) {
      json.BeginObject().Field("text", passage.text).Field("score", passage.score).EndObject();
    }
    json.EndArray();
  } else {  // LLMParamsDoc with its defaults: what the next service of a pipeline reads
    json.Field("id", HexId()).Key("model").Null().Field("query", question);
    json.Field("max_tokens", 1024).Field("max_new_tokens", 1024).Field("top_k", 10);
    json.Field("top_p", 0.95).Field("typical_p", 0.95).Field("temperature", 0.01);
    json.Field("frequency_penalty", 0.0)
        .Field("presence_penalty", 0.0)
        .Field("repetition_penalty", 1.03);
    json.Field("stream", true).Field("language", "auto").Key("chat_template").Null();
  }
  json.Key("documents").BeginArray();
  for (const Ranked& passage : ranked) json.Value(passage.text);
  json.EndArray().EndObject();
  return json.Take();
}

Task<Result<HttpReply>> Rerank(Contracts contracts, Ctx ctx, HttpRequest http) {
  CO_TRY(const JsonDocument document, JsonDocument::Parse(std::move(http.body)));
  JsonErrors errors;
  JsonFields fields(document.root(), "", errors);
  v1::RerankRequest rerank;
  const Form form = ReadQuestion(fields, "initial_query", errors, rerank.mutable_query());
  fields.Require("retrieved_docs");
  const auto passages = fields.Array("retrieved_docs");
  for (std::size_t i = 0; passages && i < passages->size(); ++i) {
    JsonFields passage((*passages)[i], fields.At("retrieved_docs", i), errors);
    passage.Require("text");
    passage.String("text", rerank.add_passages());
  }
  if (rerank.passages_size() > 1000) fields.Error("retrieved_docs", "at most 1000 passages");
  std::int64_t top_n = 1;
  fields.Int("top_n", &top_n, 1, 1000);
  CO_TRY(errors.status());

  const v1::RerankRequest asked = rerank;
  std::vector<Ranked> ranked;
  if (asked.passages_size() > 0) {
    CO_TRY(const v1::RerankReply reply,
           co_await contracts.inference.Rerank(std::move(ctx), std::move(rerank)));
    for (int i = 0; i < reply.scores_size(); ++i)
      ranked.push_back({asked.passages(i), reply.scores(i)});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  if (ranked.size() > static_cast<std::size_t>(top_n))
    ranked.resize(static_cast<std::size_t>(top_n));
  co_return HttpReply::Json(200, RankedJson(form, document.root(), asked.query(), ranked));
}

using Handler = Task<Result<HttpReply>> (*)(Contracts, Ctx, HttpRequest);

void Add(HttpRoutes& routes, Contracts contracts, std::string pattern, std::string scope,
         RouteDoc doc, Handler handler) {
  Route route;
  route.method = HttpMethod::kPost;
  route.pattern = std::move(pattern);
  route.scope = std::move(scope);
  route.errors = ErrorShape::kOpea;
  route.body = BodyKind::kBuffered;
  route.body_max = std::uint64_t{16} << 20;
  route.handler = [contracts, handler](Ctx ctx, HttpRequest request) {
    return handler(contracts, std::move(ctx), std::move(request));
  };
  doc.tag = "opea";
  route.doc = std::move(doc);
  routes.Add(std::move(route));
}

}  // namespace

void AddOpeaRetrieval(HttpRoutes& routes, Contracts contracts) {
  Add(routes, contracts, "/v1/retrieval", "retrieval.read",
      {.summary = "Passages for a text or an embedding",
       .request_schema = kRetrievalSchema,
       .request_example = R"({"text": "What is it?", "k": 4})",
       .reply_example =
           R"({"id": "827bc235…", "retrieved_docs": [{"id": "99d88e57…", "text": "It is a test."}], "initial_query": "What is it?", "top_n": 1, "metadata": [{"source": "a.md", "document_id": "file-…", "page": 0, "start": 0, "end": 13, "score": 0.5}]})"},
      Retrieve);
  Add(routes, contracts, "/v1/reranking", "inference.run",
      {.summary = "Passages in the order of their relevance to a question",
       .request_schema = kRerankingSchema,
       .request_example =
           R"({"initial_query": "What is it?", "retrieved_docs": [{"text": "It is a test."}], "top_n": 1})",
       .reply_example =
           R"({"id": "544506c8…", "query": "What is it?", "documents": ["It is a test."], "model": null, "max_tokens": 1024, "top_k": 10, "stream": true})"},
      Rerank);
}

}  // namespace tessera
