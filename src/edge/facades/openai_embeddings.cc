// POST /v1/embeddings, as OpenAI and OPEA have it.

#include <cstring>
#include <functional>
#include <utility>

#include <absl/strings/escaping.h>

#include "base/field_error.h"
#include "edge/facades/openai_json.h"

namespace tessera {
namespace {

constexpr std::size_t kInputsMax = 2048;  // OpenAI's limit

constexpr char kRequestSchema[] = R"({
  "type": "object", "required": ["input"],
  "properties": {
    "input": {"type": ["string", "array"], "description": "a text, or up to 2048 texts"},
    "model": {"type": "string"}, "encoding_format": {"enum": ["float", "base64"]},
    "dimensions": {"type": "integer"}, "user": {"type": "string"}}})";

struct EmbeddingsRequest {
  v1::EmbedRequest embed;
  bool base64 = false;
  std::int64_t dimensions = 0;
};

Result<EmbeddingsRequest> Read(std::string body) {
  TRY(const JsonDocument document, JsonDocument::Parse(std::move(body)));
  JsonErrors errors;
  JsonFields fields(document.root(), "", errors);
  EmbeddingsRequest request;
  std::string model;
  if (fields.String("model", &model, 256)) request.embed.set_model(model);
  std::vector<std::string> inputs;
  fields.Require("input");
  fields.Strings("input", &inputs, true);
  if (inputs.size() > kInputsMax) fields.Error("input", StrCat("at most ", kInputsMax, " texts"));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].empty()) fields.Error("input", StrCat("text ", i, " is empty"));
    request.embed.add_texts(std::move(inputs[i]));
  }
  if (request.embed.texts_size() == 0) fields.Error("input", "must have at least one text");
  std::string format;
  fields.OneOf("encoding_format", &format, {"float", "base64"});
  request.base64 = format == "base64";
  fields.Int("dimensions", &request.dimensions, 1, 65536);
  fields.Ignore({"user", "request_type"});
  fields.Finish();
  TRY(errors.status());
  return request;
}

void WriteVector(JsonWriter& json, const v1::Vector& vector, bool base64) {
  json.Key("embedding");
  if (base64) {
    const absl::string_view bytes(reinterpret_cast<const char*>(vector.values().data()),
                                  static_cast<std::size_t>(vector.values_size()) * sizeof(float));
    json.Value(absl::Base64Escape(bytes));
    return;
  }
  json.Values({vector.values().data(), static_cast<std::size_t>(vector.values_size())});
}

Task<Result<HttpReply>> Embed(Contracts contracts, Ctx ctx, HttpRequest http) {
  CO_TRY(EmbeddingsRequest request, Read(std::move(http.body)));
  const bool base64 = request.base64;
  const std::int64_t dimensions = request.dimensions;
  CO_TRY(const v1::EmbedReply reply,
         co_await contracts.inference.Embed(std::move(ctx), std::move(request.embed)));
  if (dimensions > 0 && dimensions != reply.dimension()) {
    co_return InvalidField("dimensions", StrCat("model ", reply.model(), " makes vectors of ",
                                                reply.dimension(), " dimensions only"));
  }
  JsonWriter json(static_cast<std::size_t>(reply.vectors_size()) * 5000 + 256);
  json.BeginObject().Field("object", "list").Key("data").BeginArray();
  for (int i = 0; i < reply.vectors_size(); ++i) {
    json.BeginObject().Field("object", "embedding").Field("index", i);
    WriteVector(json, reply.vectors(i), base64);
    json.EndObject();
  }
  json.EndArray().Field("model", reply.model()).Key("usage").BeginObject();
  json.Field("prompt_tokens", reply.tokens()).Field("total_tokens", reply.tokens());
  json.EndObject().EndObject();
  co_return HttpReply::Json(200, json.Take());
}

}  // namespace

void AddOpenAiEmbeddings(HttpRoutes& routes, Contracts contracts) {
  Route route;
  route.method = HttpMethod::kPost;
  route.pattern = "/v1/embeddings";
  route.scope = "inference.run";
  route.errors = ErrorShape::kOpenAi;
  route.body = BodyKind::kBuffered;
  route.body_max = std::uint64_t{32} << 20;
  route.handler = std::bind_front(Embed, contracts);
  route.doc = {
      .summary = "Vectors of texts",
      .tag = "openai",
      .request_schema = kRequestSchema,
      .request_example = R"({"model": "minilm", "input": ["a text", "another"]})",
      .reply_example =
          R"({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [-0.098, -0.064, 0.155]}], "model": "minilm", "usage": {"prompt_tokens": 4, "total_tokens": 4}})"};
  routes.Add(std::move(route));
}

}  // namespace tessera
