#include <cmath>
#include <iterator>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "model/model_file.h"
#include "model/openai_call.h"
#include "model/openai_model.h"

namespace tessera {
namespace {

constexpr std::size_t kTextsAtOnce = 64;
constexpr std::uint64_t kReplyMax = 64 << 20;

class OpenAiEmbedder final : public Embedder {
 public:
  OpenAiEmbedder(OpenAiOptions options, HttpClient& client)
      : options_(std::move(options)),
        client_(client),
        digest_(Sha256Of(StrCat(options_.base_url, "\n", options_.upstream_model))) {}

  const v1::Model& info() const override { return info_; }

  Task<Result<v1::EmbedReply>> Embed(Ctx ctx, std::vector<std::string> texts) override {
    v1::EmbedReply reply;
    reply.set_model(options_.name);
    reply.set_digest(digest_);
    reply.set_dimension(options_.dimension);
    for (std::size_t begin = 0; begin < texts.size(); begin += kTextsAtOnce) {
      const std::size_t end = std::min(begin + kTextsAtOnce, texts.size());
      std::string body = RequestBody(texts, begin, end);
      CO_TRY(HttpClientReply answer,
             co_await PostToUpstream(ctx, client_, &options_, "/embeddings", std::move(body)));
      CO_TRY(const std::string text, co_await ReadAll(ctx, std::move(answer.body), kReplyMax));
      CO_TRY(AddVectors(text, end - begin, reply));
    }
    co_return reply;
  }

  Task<Result<std::vector<std::uint32_t>>> CountTokens(Ctx ctx,
                                                       std::vector<std::string> texts) override {
    co_return EstimateTokens(texts);
  }

  void Stop() override {}

 private:
  v1::Model Describe() const {
    v1::Model info;
    info.set_name(options_.name);
    info.set_kind(v1::MODEL_KIND_EMBEDDER);
    info.set_backend("openai");
    info.set_digest(digest_);
    info.set_dimension(options_.dimension);
    info.set_context_tokens(options_.context_tokens);
    info.set_created_ms(WallMillis());
    info.set_description(options_.description);
    return info;
  }

  std::string RequestBody(const std::vector<std::string>& texts, std::size_t begin,
                          std::size_t end) const {
    JsonWriter json;
    json.BeginObject().Key("model").Value(options_.upstream_model);
    json.Key("encoding_format").Value("float").Key("input").BeginArray();
    for (std::size_t i = begin; i < end; ++i) json.Value(texts[i]);
    json.EndArray().EndObject();
    return json.Take();
  }

  Status AddVectors(const std::string& text, std::size_t count, v1::EmbedReply& reply) const {
    const auto wrong = [this](std::string_view what) {
      return ModelServerError(absl::StatusCode::kUnavailable,
                              StrCat("embedder ", options_.name, ": its server's reply ", what));
    };
    TRY(const JsonDocument document, JsonDocument::Parse(text));
    const auto data = document.root().Find("data");
    if (!data || data->Elements().size() != count)
      return wrong(StrCat("does not have ", count, " vectors in \"data\""));
    std::vector<v1::Vector> vectors(count);
    for (std::size_t i = 0; i < count; ++i) {
      const JsonValue item = data->Elements()[i];
      const auto index = item.Find("index");
      const std::size_t at = index ? index->AsUint().value_or(i) : i;
      const auto values = item.Find("embedding");
      if (at >= count || !values || vectors[at].values_size() > 0)
        return wrong("has a vector without a place or values");
      double squares = 0;
      for (const JsonValue& value : values->Elements()) {
        const double number = value.AsDouble().value_or(0);
        squares += number * number;
        vectors[at].add_values(static_cast<float>(number));
      }
      if (static_cast<std::uint32_t>(vectors[at].values_size()) != options_.dimension) {
        return absl::FailedPreconditionError(StrCat(
            "embedder ", options_.name, ": its server's vectors have ", vectors[at].values_size(),
            " dimensions, the configuration says ", options_.dimension));
      }
      const auto scale = static_cast<float>(1 / std::sqrt(std::max(squares, 1e-24)));
      for (float& value : *vectors[at].mutable_values()) value *= scale;
    }
    for (v1::Vector& vector : vectors) *reply.add_vectors() = std::move(vector);
    if (const auto usage = document.root().Find("usage")) {
      const auto tokens = usage->Find("prompt_tokens");
      reply.set_tokens(reply.tokens() +
                       static_cast<std::uint32_t>(tokens ? tokens->AsUint().value_or(0) : 0));
    }
    return absl::OkStatus();
  }

  const OpenAiOptions options_;
  HttpClient& client_;
  const std::string digest_;
  const v1::Model info_ = Describe();
};

}  // namespace

Result<std::unique_ptr<Embedder>> MakeOpenAiEmbedder(OpenAiOptions options, HttpClient& client) {
  if (options.dimension == 0) {
    return absl::InvalidArgumentError(
        StrCat("embedder ", options.name, ": its dimension must be given"));
  }
  if (options.upstream_model.empty()) options.upstream_model = options.name;
  while (options.base_url.ends_with('/')) options.base_url.pop_back();
  return std::make_unique<OpenAiEmbedder>(std::move(options), client);
}

}  // namespace tessera
