#include "promql/evaluate.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <set>
#include <span>
#include <utility>

#include "base/str.h"

namespace tessera {
namespace {

using Kind = PromExpr::Kind;
using Rows = std::vector<PromRow>;

// An instant's value is at most so old, as in Prometheus; series that ended say so earlier.
constexpr std::int64_t kLookbackMs = 300'000;

// Values of all nodes together: they may all be held at once.
constexpr std::size_t kWorkMax = 20'000'000;

PromLabels Without(const PromLabels& labels, const std::vector<std::string>& names) {
  PromLabels rest = labels;
  rest.erase(std::string(kPromName));
  for (const std::string& name : names) rest.erase(name);
  return rest;
}

PromLabels Only(const PromLabels& labels, const std::vector<std::string>& names) {
  PromLabels picked;
  for (const std::string& name : names) {
    const auto found = labels.find(name);
    if (found != labels.end() && !found->second.empty()) picked.insert(*found);
  }
  return picked;
}

PromLabels GroupOf(const PromExpr& expr, const PromLabels& labels) {
  return expr.only_labels ? Only(labels, expr.labels) : Without(labels, expr.labels);
}

std::string Written(const PromLabels& labels) {
  std::string text = "{";
  for (const auto& [name, value] : labels)
    StrAppend(&text, text.size() > 1 ? ", " : "", name, "=\"", value, "\"");
  return text + "}";
}

class Evaluation {
 public:
  Evaluation(const PromRange& range, const PromSelect& select)
      : range_(range), steps_(range.steps()), select_(select) {}

  Result<Rows> Of(const PromExpr& expr) {
    TRY(Rows rows, OfKind(expr));
    std::erase_if(rows,
                  [](const PromRow& row) { return std::ranges::all_of(row.values, IsPromAbsent); });
    TRY(Spend(rows.size()));
    return rows;
  }

  Result<Rows> Points(const PromExpr& expr) {
    TRY(PromSamples samples, select_(expr.matchers, range_.from_ms - expr.range_ms, range_.to_ms));
    Rows rows;
    for (PromSeries& series : samples.series) {
      std::erase_if(series.points,
                    [](const PromPoint& point) { return IsPromAbsent(point.value); });
      if (series.points.empty()) continue;
      rows.push_back(
          {.labels = std::move(series.labels), .values = {}, .points = std::move(series.points)});
    }
    return rows;
  }

 private:
  // Before rows are made, and once more for what becomes of them.
  Status Spend(std::size_t rows) {
    const std::size_t values = rows * steps_;
    spent_ += values;
    if (values <= kPromValuesMax && spent_ <= kWorkMax) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        "query processing would load too many values; ask for fewer series or a longer step");
  }
  std::int64_t TimeOf(std::size_t step) const {
    return range_.from_ms + static_cast<std::int64_t>(step) * range_.step_ms;
  }
  PromRow Row(PromLabels labels, double value = PromAbsent()) const {
    return {
        .labels = std::move(labels), .values = std::vector<double>(steps_, value), .points = {}};
  }

  Result<Rows> OfKind(const PromExpr& expr) {
    switch (expr.kind) {
      case Kind::kNumber:
        return Rows{Row({}, expr.number)};
      case Kind::kString:
        return absl::InvalidArgumentError("a string is no value of its own");
      case Kind::kSelector:
        return Instants(expr);
      case Kind::kCall:
        return Call(expr);
      case Kind::kAggregate:
        return Aggregate(expr);
      case Kind::kBinary:
        return Binary(expr);
    }
    return absl::InternalError("unknown expression");
  }

  Result<Rows> Instants(const PromExpr& expr) {
    TRY(const PromSamples samples,
        select_(expr.matchers, range_.from_ms - kLookbackMs, range_.to_ms));
    TRY(Spend(samples.series.size()));
    Rows rows;
    for (const PromSeries& series : samples.series) {
      PromRow row = Row(series.labels);
      auto next = series.points.begin();
      for (std::size_t step = 0; step < steps_; ++step) {
        const std::int64_t now = TimeOf(step);
        while (next != series.points.end() && next->at_ms <= now) ++next;
        if (next == series.points.begin()) continue;
        const PromPoint& last = *std::prev(next);
        if (last.at_ms > now - kLookbackMs) row.values[step] = last.value;
      }
      rows.push_back(std::move(row));
    }
    return rows;
  }

  Result<Rows> OverRange(const PromExpr& call) {
    const PromExpr& of = *call.arguments[0];
    // Looked up with room for windows that must be longer than asked.
    TRY(PromSamples samples,
        select_(of.matchers, range_.from_ms - of.range_ms - kLookbackMs, range_.to_ms));
    TRY(Spend(samples.series.size()));
    const std::int64_t length = std::max(of.range_ms, 2 * samples.step_ms);
    Rows rows;
    for (PromSeries& series : samples.series) {
      std::erase_if(series.points,
                    [](const PromPoint& point) { return IsPromAbsent(point.value); });
      PromRow row = Row(call.name == "last_over_time" ? series.labels : Without(series.labels, {}));
      const std::span<const PromPoint> points = series.points;
      std::size_t begin = 0;
      std::size_t end = 0;
      for (std::size_t step = 0; step < steps_; ++step) {
        const PromWindow window{
            .from_ms = TimeOf(step) - length, .to_ms = TimeOf(step), .asked_ms = of.range_ms};
        while (end < points.size() && points[end].at_ms <= window.to_ms) ++end;
        while (begin < end && points[begin].at_ms <= window.from_ms) ++begin;
        row.values[step] = PromOverRange(call.name, points.subspan(begin, end - begin), window);
      }
      rows.push_back(std::move(row));
    }
    return Merged(std::move(rows));
  }

  Result<Rows> Call(const PromExpr& expr) {
    const std::string& name = expr.name;
    if (name == "time") {
      PromRow row = Row({});
      for (std::size_t step = 0; step < steps_; ++step)
        row.values[step] = static_cast<double>(TimeOf(step)) / 1000;
      return Rows{std::move(row)};
    }
    if (expr.arguments[0]->type == PromType::kRange) return OverRange(expr);
    if (name == "vector") return Of(*expr.arguments[0]);
    if (name == "scalar") return Scalar(expr);
    if (name == "histogram_quantile") return Quantiles(expr);
    TRY(Rows rows, Of(*expr.arguments[0]));
    Rows numbers;
    if (expr.arguments.size() > 1) {
      TRY(numbers, Of(*expr.arguments[1]));
    }
    for (PromRow& row : rows) {
      row.labels = Without(row.labels, {});
      for (std::size_t step = 0; step < steps_; ++step) {
        if (IsPromAbsent(row.values[step])) continue;
        const std::span<const double> number = numbers.empty()
                                                   ? std::span<const double>()
                                                   : std::span(numbers[0].values).subspan(step, 1);
        row.values[step] = PromOfValue(name, row.values[step], number);
      }
    }
    return Merged(std::move(rows));
  }

  // The value of the only row there is, else not a number.
  Result<Rows> Scalar(const PromExpr& expr) {
    TRY(const Rows rows, Of(*expr.arguments[0]));
    PromRow row = Row({}, std::numeric_limits<double>::quiet_NaN());
    for (std::size_t step = 0; step < steps_; ++step) {
      std::size_t found = 0;
      for (const PromRow& one : rows) {
        if (IsPromAbsent(one.values[step])) continue;
        row.values[step] = one.values[step];
        ++found;
      }
      if (found > 1) row.values[step] = std::numeric_limits<double>::quiet_NaN();
    }
    return Rows{std::move(row)};
  }

  Result<Rows> Quantiles(const PromExpr& expr) {
    TRY(const Rows quantile, Of(*expr.arguments[0]));
    TRY(const Rows rows, Of(*expr.arguments[1]));
    std::map<PromLabels, std::vector<std::pair<double, const PromRow*>>> groups;
    for (const PromRow& row : rows) {
      const auto le = row.labels.find("le");
      if (le == row.labels.end()) continue;
      char* end = nullptr;
      const double bound = std::strtod(le->second.c_str(), &end);
      if (end == le->second.c_str() || *end != '\0') continue;
      groups[Without(row.labels, {"le"})].emplace_back(bound, &row);
    }
    Rows found;
    for (const auto& [labels, buckets] : groups) {
      PromRow row = Row(labels);
      for (std::size_t step = 0; step < steps_; ++step) {
        std::vector<PromBucket> counts;
        for (const auto& [le, of] : buckets) {
          if (!IsPromAbsent(of->values[step])) counts.push_back({le, of->values[step]});
        }
        if (!counts.empty() && !quantile.empty())
          row.values[step] = PromQuantile(quantile[0].values[step], std::move(counts));
      }
      found.push_back(std::move(row));
    }
    return found;
  }

  Result<Rows> Aggregate(const PromExpr& expr) {
    TRY(const Rows rows, Of(*expr.arguments[0]));
    struct Group {
      PromRow row;
      std::vector<double> counts;
    };
    std::map<PromLabels, Group> groups;
    for (const PromRow& row : rows) {
      PromLabels labels = GroupOf(expr, row.labels);
      auto [at, fresh] = groups.try_emplace(labels);
      if (fresh) at->second = {Row(std::move(labels)), std::vector<double>(steps_)};
      for (std::size_t step = 0; step < steps_; ++step) {
        if (IsPromAbsent(row.values[step])) continue;
        double& value = at->second.row.values[step];
        const bool first = at->second.counts[step]++ == 0;
        value = first ? row.values[step] : Together(expr.name, value, row.values[step]);
      }
    }
    Rows found;
    for (auto& [labels, group] : groups) {
      for (std::size_t step = 0; step < steps_; ++step) {
        if (group.counts[step] == 0) continue;
        if (expr.name == "count") group.row.values[step] = group.counts[step];
        if (expr.name == "avg") group.row.values[step] /= group.counts[step];
      }
      found.push_back(std::move(group.row));
    }
    return found;
  }

  static double Together(std::string_view how, double so_far, double value) {
    if (how == "min") return value < so_far || std::isnan(so_far) ? value : so_far;
    if (how == "max") return value > so_far || std::isnan(so_far) ? value : so_far;
    return so_far + value;
  }

  Result<Rows> Binary(const PromExpr& expr) {
    TRY(Rows left, Of(*expr.arguments[0]));
    TRY(Rows right, Of(*expr.arguments[1]));
    if (IsPromSetOperator(expr.name)) return Sets(expr, std::move(left), std::move(right));
    const bool left_scalar = expr.arguments[0]->type == PromType::kScalar;
    const bool right_scalar = expr.arguments[1]->type == PromType::kScalar;
    if (left_scalar || right_scalar) {
      // A scalar always has its row.
      Rows& rows = left_scalar ? right : left;
      const PromRow number = left_scalar ? left.front() : right.front();
      const bool filter = IsPromComparison(expr.name) && !expr.as_bool;
      for (PromRow& row : rows) {
        if (!filter) row.labels = Without(row.labels, {});
        for (std::size_t step = 0; step < steps_; ++step) {
          double& value = row.values[step];
          if (IsPromAbsent(value)) continue;
          const double said = left_scalar ? PromOperate(expr.name, number.values[step], value)
                                          : PromOperate(expr.name, value, number.values[step]);
          value = !filter ? said : said == 0 ? PromAbsent() : value;
        }
      }
      return Merged(std::move(rows));
    }
    return Pairs(expr, left, right);
  }

  // One of each side at most meet at a time.
  Result<Rows> Pairs(const PromExpr& expr, const Rows& left, const Rows& right) const {
    std::map<PromLabels, PromRow> others;
    for (const PromRow& row : right) TRY(Join(others, GroupOf(expr, row.labels), row, "right"));
    const bool filter = IsPromComparison(expr.name) && !expr.as_bool;
    std::map<PromLabels, PromRow> seen;
    Rows rows;
    for (const PromRow& row : left) {
      const PromLabels group = GroupOf(expr, row.labels);
      TRY(Join(seen, group, row, "left"));
      const auto other = others.find(group);
      if (other == others.end()) continue;
      PromRow result = Row(filter && !expr.only_labels && expr.labels.empty() ? row.labels : group);
      for (std::size_t step = 0; step < steps_; ++step) {
        const double a = row.values[step];
        const double b = other->second.values[step];
        if (IsPromAbsent(a) || IsPromAbsent(b)) continue;
        const double said = PromOperate(expr.name, a, b);
        if (!filter) {
          result.values[step] = said;
        } else if (said != 0) {
          result.values[step] = a;
        }
      }
      rows.push_back(std::move(result));
    }
    return Merged(std::move(rows));
  }

  Status Join(std::map<PromLabels, PromRow>& rows, PromLabels group, const PromRow& row,
              std::string_view side) const {
    const auto [at, fresh] = rows.try_emplace(std::move(group), row);
    if (fresh) return absl::OkStatus();
    for (std::size_t step = 0; step < steps_; ++step) {
      if (IsPromAbsent(row.values[step])) continue;
      if (!IsPromAbsent(at->second.values[step]))
        return absl::FailedPreconditionError(StrCat(
            "found duplicate series for the match group ", Written(at->first), " on the ", side,
            " hand-side of the operation; many-to-many matching not allowed: matching labels "
            "must be unique on one side"));
      at->second.values[step] = row.values[step];
    }
    return absl::OkStatus();
  }

  Result<Rows> Sets(const PromExpr& expr, Rows left, Rows right) const {
    // Which groups a side has at which step.
    const auto groups = [&](const Rows& rows) {
      std::map<PromLabels, std::vector<bool>> found;
      for (const PromRow& row : rows) {
        std::vector<bool>& has =
            found.try_emplace(GroupOf(expr, row.labels), steps_, false).first->second;
        for (std::size_t step = 0; step < steps_; ++step) {
          if (!IsPromAbsent(row.values[step])) has[step] = true;
        }
      }
      return found;
    };
    const bool is_or = expr.name == "or";
    const auto others = groups(is_or ? left : right);
    Rows& kept = is_or ? right : left;
    for (PromRow& row : kept) {
      const auto other = others.find(GroupOf(expr, row.labels));
      for (std::size_t step = 0; step < steps_; ++step) {
        const bool has = other != others.end() && other->second[step];
        if (has != (expr.name == "and")) row.values[step] = PromAbsent();
      }
    }
    if (!is_or) return kept;
    std::move(right.begin(), right.end(), std::back_inserter(left));
    return Merged(std::move(left));
  }

  // Rows that lost what told them apart are one, where they do not meet.
  Result<Rows> Merged(Rows rows) const {
    std::map<PromLabels, PromRow> merged;
    for (PromRow& row : rows) {
      const auto [at, fresh] = merged.try_emplace(row.labels, std::move(row));
      if (fresh) continue;
      for (std::size_t step = 0; step < steps_; ++step) {
        if (IsPromAbsent(row.values[step])) continue;
        if (!IsPromAbsent(at->second.values[step]))
          return absl::FailedPreconditionError(
              "vector cannot contain metrics with the same labelset");
        at->second.values[step] = row.values[step];
      }
    }
    Rows found;
    for (auto& [labels, row] : merged) found.push_back(std::move(row));
    return found;
  }

  const PromRange range_;
  const std::size_t steps_;
  const PromSelect& select_;
  std::size_t spent_ = 0;
};

}  // namespace

Result<PromResult> EvaluatePromql(const PromExpr& expr, const PromRange& range,
                                  const PromSelect& select) {
  if (range.step_ms <= 0 || range.to_ms < range.from_ms)
    return absl::InvalidArgumentError(
        "end timestamp must not be before start time, and step positive");
  if (range.steps() > kPromStepsMax)
    return absl::InvalidArgumentError(
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
        "resolution (?step=XX)");
  PromResult result{.type = expr.type, .rows = {}, .text = {}};
  Evaluation evaluation(range, select);
  if (expr.type == PromType::kString) {
    result.text = expr.name;
  } else if (expr.type == PromType::kRange) {
    TRY(result.rows, evaluation.Points(expr));
  } else {
    TRY(result.rows, evaluation.Of(expr));
  }
  return result;
}

}  // namespace tessera
