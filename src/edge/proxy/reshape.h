#pragma once
// From one shape of JSON to another, as a configuration says: no expressions, only places.

#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"
#include "edge/proxy/json_tree.h"

namespace tessera {

/// One value that changes its place, or is put there.
struct ReshapeMove {
  std::string from;           ///< JSON pointer; "*" is every element of a list
  std::string to;             ///< with the same number of "*"
  std::string index;          ///< where the first "*" of `to` leads, instead of the element's place
  std::string value;          ///< JSON; instead of `from`
  std::string default_value;  ///< JSON; where `from` leads to nothing
  static void Describe(Fields<ReshapeMove>& f);
};

struct ReshapeConfig {
  std::vector<ReshapeMove> map;
  std::vector<std::string> remove;
  bool keep_rest = true;
  bool empty() const { return map.empty() && remove.empty() && keep_rest; }
  static void Describe(Fields<ReshapeConfig>& f);
};

/// A configuration, checked. Immutable.
class Reshape {
 public:
  /// INVALID_ARGUMENT names the entry that is wrong.
  static Result<Reshape> Make(const ReshapeConfig& config);

  bool empty() const { return empty_; }
  /// INVALID_ARGUMENT where a value cannot get to its place.
  Result<JsonTree> Apply(JsonTree document) const;

 private:
  struct Move {
    std::optional<JsonPath> from, index;
    JsonPath to;
    std::optional<JsonTree> value, default_value;
  };
  static Result<Move> MakeMove(const ReshapeMove& config);
  Status ApplyMove(const Move& move, const JsonTree& from, JsonTree& to) const;

  bool empty_ = true;
  bool keep_rest_ = true;
  std::vector<Move> moves_;
  std::vector<JsonPath> remove_;
};

}  // namespace tessera
