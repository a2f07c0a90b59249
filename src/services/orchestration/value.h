#pragma once
// What the steps of a graph hand to each other.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "tessera/v1/retrieval.pb.h"

namespace tessera {

using Passages = std::vector<v1::Hit>;

/// A variable of a run. Nothing, a flag, a number, a text, texts, or passages of documents.
using Value =
    std::variant<std::monostate, bool, double, std::string, std::vector<std::string>, Passages>;

/// The variables of a run by name. A name that was never set is nothing.
class Variables {
 public:
  const Value& Get(std::string_view name) const;
  void Set(std::string name, Value value);
  /// A copy for a branch, which Merge() can tell what it has set.
  Variables Fork() const;
  /// Takes over what a fork has set.
  void Merge(const Variables& fork);

 private:
  std::map<std::string, Value, std::less<>> values_;
  bool forked_ = false;
  std::set<std::string> written_;  // since the fork
};

/// False for nothing, false, 0, "" and empty lists.
bool Truthy(const Value& value);
/// As text in a prompt: lists are joined by blank lines.
std::string ToText(const Value& value);
/// Items of a list; a text has one, nothing has none.
std::vector<std::string> ToTexts(const Value& value);
std::size_t SizeOf(const Value& value);

/// Text with {name} places that variables fill; "{{" is a brace.
class Template {
 public:
  static Result<Template> Parse(std::string_view text);
  std::string Fill(const Variables& variables) const;
  /// Names that occur in it.
  std::vector<std::string> Names() const;

 private:
  struct Piece {
    bool is_name;
    std::string text;
  };
  std::vector<Piece> pieces_;
};

}  // namespace tessera
