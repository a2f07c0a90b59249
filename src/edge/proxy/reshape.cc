#include "edge/proxy/reshape.h"

#include "absl/strings/numbers.h"
#include "base/str.h"

namespace tessera {

void ReshapeMove::Describe(Fields<ReshapeMove>& f) {
  f.Optional("from", &ReshapeMove::from,
             "Where the value is, as a JSON pointer; \"*\" is every element of a list.");
  f.Required("to", &ReshapeMove::to, "Where it goes, with as many \"*\".");
  f.Optional("index", &ReshapeMove::index,
             "Where the number is that the first \"*\" of \"to\" takes: for lists that tell their "
             "order themselves.");
  f.Optional("value", &ReshapeMove::value, "This JSON, instead of a value at \"from\".");
  f.Optional("default", &ReshapeMove::default_value, "This JSON where \"from\" leads to nothing.");
}

void ReshapeConfig::Describe(Fields<ReshapeConfig>& f) {
  f.Optional("map", &ReshapeConfig::map, "Values that change their place or are put there.");
  f.Optional("remove", &ReshapeConfig::remove, "JSON pointers of what is left out.");
  f.Optional("keep_rest", &ReshapeConfig::keep_rest,
             "Whether what \"map\" does not name stays as it is.");
}

Result<Reshape::Move> Reshape::MakeMove(const ReshapeMove& config) {
  Move move;
  TRY(move.to, JsonPath::Parse(config.to));
  if (!config.value.empty()) {
    if (!config.from.empty() || move.to.stars() > 0)
      return absl::InvalidArgumentError(
          StrCat("\"", config.to, "\": a value has no \"from\", and its \"to\" no \"*\""));
    TRY(move.value, JsonTree::Parse(config.value));
    return move;
  }
  TRY(move.from, JsonPath::Parse(config.from));
  if (move.from->stars() != move.to.stars())
    return absl::InvalidArgumentError(
        StrCat("\"", config.from, "\" and \"", config.to, "\" do not have as many \"*\""));
  if (!config.index.empty()) {
    TRY(move.index, JsonPath::Parse(config.index));
    if (move.index->stars() != move.to.stars() || move.to.stars() == 0)
      return absl::InvalidArgumentError(
          StrCat("\"", config.index, "\" and \"", config.to, "\" do not have as many \"*\""));
  }
  if (!config.default_value.empty()) {
    TRY(move.default_value, JsonTree::Parse(config.default_value));
  }
  return move;
}

Result<Reshape> Reshape::Make(const ReshapeConfig& config) {
  Reshape reshape;
  reshape.empty_ = config.empty();
  reshape.keep_rest_ = config.keep_rest;
  for (const ReshapeMove& one : config.map) {
    TRY(Move move, MakeMove(one));
    reshape.moves_.push_back(std::move(move));
  }
  for (const std::string& text : config.remove) {
    TRY(JsonPath path, JsonPath::Parse(text));
    reshape.remove_.push_back(std::move(path));
  }
  return reshape;
}

Status Reshape::ApplyMove(const Move& move, const JsonTree& from, JsonTree& to) const {
  const Status in_the_way = absl::InvalidArgumentError("a value cannot get to its place");
  if (move.value) return move.to.Set(to, {}, *move.value) ? absl::OkStatus() : in_the_way;
  const std::vector<JsonPath::Found> found = move.from->FindAll(from);
  if (found.empty() && move.default_value && move.to.stars() == 0)
    return move.to.Set(to, {}, *move.default_value) ? absl::OkStatus() : in_the_way;
  const std::vector<JsonPath::Found> order =
      move.index ? move.index->FindAll(from) : std::vector<JsonPath::Found>();
  if (move.index && order.size() != found.size())
    return absl::InvalidArgumentError("not every element tells its index");
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::vector<std::size_t> indexes = found[i].indexes;
    std::uint32_t index = 0;
    if (move.index && !absl::SimpleAtoi(order[i].value->text, &index))
      return absl::InvalidArgumentError("an index is not a number");
    if (move.index) indexes.front() = index;
    if (!move.to.Set(to, indexes, *found[i].value)) return in_the_way;
  }
  return absl::OkStatus();
}

Result<JsonTree> Reshape::Apply(JsonTree document) const {
  if (empty_) return document;
  JsonTree made;
  if (keep_rest_) {
    made = document;
    for (const Move& move : moves_) {
      if (move.from) move.from->Remove(made);
    }
  }
  for (const Move& move : moves_) TRY(ApplyMove(move, document, made));
  for (const JsonPath& path : remove_) path.Remove(made);
  return made;
}

}  // namespace tessera
