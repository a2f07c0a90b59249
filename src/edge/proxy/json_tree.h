#pragma once
// JSON that can be changed: small documents of requests and replies on their way.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/json_writer.h"

namespace tessera {

struct JsonMember;

/// One value with all that is below it. Numbers keep their text.
struct JsonTree {
  using Kind = JsonValue::Kind;
  Kind kind = Kind::kNull;
  std::string text;  ///< a string, or the JSON of a number, a flag, null
  std::vector<JsonTree> elements;
  std::vector<JsonMember> members;  ///< in their order

  static constexpr std::size_t kMembersMax = 4096;

  /// INVALID_ARGUMENT: no JSON, or an object with more members than kMembersMax.
  static Result<JsonTree> Parse(std::string json);
  void Write(JsonWriter& json) const;
  std::string ToJson() const;
  /// Numbers by their value, objects whatever their order.
  bool operator==(const JsonTree& other) const;

  const JsonTree* Member(std::string_view name) const;
};

struct JsonMember {
  std::string first;
  JsonTree second;
};

/// A JSON pointer (RFC 6901) whose "*" segments stand for every element of an array.
class JsonPath {
 public:
  /// INVALID_ARGUMENT when it does not begin with '/' ("" is the whole document).
  static Result<JsonPath> Parse(std::string_view text);

  const std::vector<std::string>& segments() const { return segments_; }
  std::size_t stars() const;
  /// Every value that it names, with the indexes that its stars stood for.
  struct Found {
    const JsonTree* value;
    std::vector<std::size_t> indexes;
  };
  std::vector<Found> FindAll(const JsonTree& root) const;
  /// Makes what is missing on the way; stars take `indexes`. False: something else is in the way,
  /// or an index is beyond `kElementsMax`.
  bool Set(JsonTree& root, const std::vector<std::size_t>& indexes, JsonTree value) const;
  void Remove(JsonTree& root) const;

  static constexpr std::size_t kElementsMax = 100'000;

 private:
  std::vector<std::string> segments_;
};

/// Where two documents differ, as pointers; at most `max`.
std::vector<std::string> Differences(const JsonTree& a, const JsonTree& b, std::size_t max);

}  // namespace tessera
