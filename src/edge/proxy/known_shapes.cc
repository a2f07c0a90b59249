#include "edge/proxy/known_shapes.h"

#include <cmath>

#include "base/json.h"
#include "base/json_rows.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "tessera/v1/inference.pb.h"
#include "tessera/v1/retrieval.pb.h"

namespace tessera {
namespace {

using google::protobuf::Message;

constexpr std::size_t kBytesOfNumber = 20;  // at most, as JSON

// Whoever made the shape's entry has said which message it is for.
template <class To>
const To& As(const Message& message) {
  return static_cast<const To&>(message);
}
template <class To>
To& As(Message* message) {
  return *static_cast<To*>(message);
}

std::string WriteTeiEmbed(const Message& message) {
  JsonWriter json;
  json.BeginObject().Key("inputs").BeginArray();
  for (const std::string& text : As<v1::EmbedRequest>(message).texts()) json.Value(text);
  json.EndArray().Field("truncate", true).EndObject();
  return json.Take();
}

Status ReadTeiEmbed(std::string body, Message* message) {
  TRY(const auto rows, ParseJsonRows(body));
  auto& reply = As<v1::EmbedReply>(message);
  for (const std::vector<float>& row : rows)
    reply.add_vectors()->mutable_values()->Add(row.begin(), row.end());
  return absl::OkStatus();
}

std::string WriteTeiRerank(const Message& message) {
  const auto& request = As<v1::RerankRequest>(message);
  JsonWriter json;
  json.BeginObject().Field("query", request.query()).Key("texts").BeginArray();
  for (const std::string& passage : request.passages()) json.Value(passage);
  json.EndArray().Field("truncate", true).EndObject();
  return json.Take();
}

// Best first: `index` says which text it was.
Status ReadTeiRerank(std::string body, Message* message) {
  TRY(const JsonDocument document, JsonDocument::Parse(std::move(body)));
  const JsonValue root = document.root();
  if (!root.is_array()) return absl::InvalidArgumentError("it is no list of scores");
  const std::vector<JsonValue> ranks = root.Elements();
  std::vector<float> scores(ranks.size(), NAN);
  for (const JsonValue& rank : ranks) {
    const auto index = rank.Find("index");
    const auto score = rank.Find("score");
    const std::optional<std::uint64_t> at = index ? index->AsUint() : std::nullopt;
    const std::optional<double> value = score ? score->AsDouble() : std::nullopt;
    if (!at || !value || *at >= scores.size() || !std::isnan(scores[*at])) {
      return absl::InvalidArgumentError("each text must have one \"index\" and one \"score\"");
    }
    scores[*at] = static_cast<float>(*value);
  }
  As<v1::RerankReply>(message).mutable_scores()->Assign(scores.begin(), scores.end());
  return absl::OkStatus();
}

std::string WriteOpeaSearch(const Message& message) {
  const auto& request = As<v1::SearchRequest>(message);
  JsonWriter json(256 + request.query().size() +
                  kBytesOfNumber * static_cast<std::size_t>(request.vector_size()));
  json.BeginObject().Field("text", request.query()).Key("embedding");
  json.Values({request.vector().data(), static_cast<std::size_t>(request.vector_size())});
  json.Field("k", request.limit()).EndObject();
  return json.Take();
}

Status ReadOpeaSearch(std::string body, Message* message) {
  TRY(const JsonDocument parsed, JsonDocument::Parse(std::move(body)));
  auto& reply = As<v1::SearchReply>(message);
  const auto found = parsed.root().Find("retrieved_docs");
  if (!found || !found->is_array()) return absl::InvalidArgumentError("retrieved_docs is missing");
  for (const JsonValue& document : found->Elements()) {
    const auto text = document.Find("text");
    if (!text || !text->is_string()) {
      return absl::InvalidArgumentError("retrieved_docs: a document has no text");
    }
    v1::Hit& hit = *reply.add_hits();
    hit.mutable_chunk()->set_text(std::string(*text->AsString()));
    const auto id = document.Find("id");
    if (id && id->is_string()) hit.mutable_document()->set_id(std::string(*id->AsString()));
  }
  return absl::OkStatus();
}

}  // namespace

const KnownShape kTeiEmbed = {WriteTeiEmbed, ReadTeiEmbed};
const KnownShape kTeiRerank = {WriteTeiRerank, ReadTeiRerank};
const KnownShape kOpeaSearch = {WriteOpeaSearch, ReadOpeaSearch};

}  // namespace tessera
