#include "services/retrieval/filter.h"

#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/str.h"

namespace tessera {
namespace {

constexpr int kDepthMax = 16;
constexpr std::size_t kParametersMax = 1000;
// Those of one group become a chain, and SQLite takes expressions at most 1000 deep.
constexpr int kFiltersMax = 500;

class Builder {
 public:
  Status Add(const v1::Filter& filter, int depth) {
    if (depth > kDepthMax)
      return absl::InvalidArgumentError(StrCat("filter: at most ", kDepthMax, " levels"));
    if (++filters_ > kFiltersMax)
      return absl::InvalidArgumentError(StrCat("filter: at most ", kFiltersMax, " conditions"));
    switch (filter.kind_case()) {
      case v1::Filter::kComparison:
        return AddComparison(filter.comparison());
      case v1::Filter::kGroup:
        return AddGroup(filter.group(), depth);
      case v1::Filter::KIND_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError("filter: give a comparison or a group");
  }
  SqlCondition Take() { return std::move(condition_); }

 private:
  Status AddGroup(const v1::Filter::Group& group, int depth) {
    // No filters: "and" of nothing is true, "or" of nothing is false.
    condition_.sql += group.any() ? "(0" : "(1";
    for (const v1::Filter& filter : group.filters()) {
      condition_.sql += group.any() ? " OR " : " AND ";
      TRY(Add(filter, depth + 1));
    }
    condition_.sql += ")";
    return absl::OkStatus();
  }

  Status AddComparison(const v1::Filter::Comparison& comparison) {
    const std::string& op = comparison.op();
    if (comparison.key().empty()) return absl::InvalidArgumentError("filter: key: is empty");
    const bool list = op == "in" || op == "nin";
    if (!list && comparison.values_size() != 1)
      return absl::InvalidArgumentError(
          StrCat("filter: values: want one for \"", op, "\", got ", comparison.values_size()));
    static constexpr std::pair<const char*, const char*> kOps[] = {
        {"eq", "="}, {"ne", "="},   {"gt", ">"},  {"gte", ">="},
        {"lt", "<"}, {"lte", "<="}, {"in", "IN"}, {"nin", "IN"}};
    for (const auto& [name, sql] : kOps)
      if (op == name) return AddTest(comparison, sql, op == "ne" || op == "nin");
    return absl::InvalidArgumentError(
        StrCat("filter: op: \"", op, "\" is not one of eq, ne, gt, gte, lt, lte, in, nin"));
  }

  Status AddTest(const v1::Filter::Comparison& comparison, const char* op, bool negated) {
    const std::string& key = comparison.key();
    const bool time = key == "created_ms";
    const bool numeric = comparison.numeric() || time;
    std::string& sql = condition_.sql;
    if (negated) sql += "NOT ";
    if (time || key == "name" || key == "title" || key == "media_type") {
      if (numeric && !time)
        return absl::InvalidArgumentError(StrCat("filter: \"", key, "\" is not a number"));
      sql += StrCat("(d.", key, " ", op, " ");
      TRY(AddValues(comparison, numeric));
      sql += ")";
      return absl::OkStatus();
    }
    sql += StrCat("EXISTS (SELECT 1 FROM metadata m WHERE m.document = d.id AND m.key = ? AND m.",
                  numeric ? "number" : "value", " ", op, " ");
    condition_.parameters.emplace_back(key);
    TRY(AddValues(comparison, numeric));
    sql += ")";
    return absl::OkStatus();
  }

  Status AddValues(const v1::Filter::Comparison& comparison, bool numeric) {
    const bool list = comparison.op() == "in" || comparison.op() == "nin";
    if (list) condition_.sql += "(";
    for (int i = 0; i < comparison.values_size(); ++i) {
      const std::string& value = comparison.values(i);
      if (condition_.parameters.size() >= kParametersMax)
        return absl::InvalidArgumentError(StrCat("filter: at most ", kParametersMax, " values"));
      condition_.sql += i > 0 ? ",?" : "?";
      if (!numeric) {
        condition_.parameters.emplace_back(value);
        continue;
      }
      const std::optional<double> number = AsNumber(value);
      if (!number) {
        return absl::InvalidArgumentError(
            StrCat("filter: \"", value, "\" of \"", comparison.key(), "\" is not a number"));
      }
      condition_.parameters.emplace_back(*number);
    }
    if (list) condition_.sql += ")";
    return absl::OkStatus();
  }

  SqlCondition condition_;
  int filters_ = 0;
};

}  // namespace

std::optional<double> AsNumber(const std::string& text) {
  if (text.empty() || text.size() > 64) return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size() || !std::isfinite(number)) return std::nullopt;
  if (text[0] == ' ' || text[0] == '\t' || text[0] == '\n') return std::nullopt;
  return number;
}

int SqlCondition::Bind(SqliteStatement& statement, int first) const {
  for (const auto& parameter : parameters) {
    if (const auto* text = std::get_if<std::string>(&parameter))
      statement.BindOne(first++, *text);
    else
      statement.BindOne(first++, std::get<double>(parameter));
  }
  return first;
}

Result<SqlCondition> ToSql(const v1::Filter& filter) {
  Builder builder;
  TRY(builder.Add(filter, 0));
  return builder.Take();
}

}  // namespace tessera
