#include "promql/expression.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "base/str.h"
#include "promql/functions.h"
#include "promql/lexer.h"
#include "re2/re2.h"

namespace tessera {
namespace {

using Kind = PromExpr::Kind;
using ExprPtr = std::unique_ptr<PromExpr>;

// Of binary operators, the higher binds the tighter; 0: none.
int Precedence(const PromToken& token) {
  if (token.kind == PromToken::Kind::kWord) {
    if (token.text == "or") return 1;
    if (token.text == "and" || token.text == "unless") return 2;
    return 0;
  }
  if (token.kind != PromToken::Kind::kSign) return 0;
  if (IsPromComparison(token.text)) return 3;
  if (token.text == "+" || token.text == "-") return 4;
  if (token.text == "*" || token.text == "/" || token.text == "%") return 5;
  return token.text == "^" ? 6 : 0;
}

constexpr int kUnary = 5;  // -2^2 is -(2^2)

std::string Lower(std::string_view text) { return ToLower(text); }

class Parser {
 public:
  Parser(std::string_view text, std::vector<PromToken> tokens)
      : text_(text), tokens_(std::move(tokens)) {}

  Result<ExprPtr> Whole() {
    TRY(ExprPtr expr, Binary(0));
    TRY(End());
    return expr;
  }

  Result<std::vector<PromMatcher>> Selector() {
    auto expr = std::make_unique<PromExpr>();
    TRY(ReadSelector(*expr));
    TRY(End());
    return std::move(expr->matchers);
  }

 private:
  const PromToken& Next() const { return tokens_[at_]; }
  bool IsSign(std::string_view sign) const {
    return Next().kind == PromToken::Kind::kSign && Next().text == sign;
  }
  bool IsWord(std::string_view word) const {
    return Next().kind == PromToken::Kind::kWord && Lower(Next().text) == word;
  }
  PromToken Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool TakeSign(std::string_view sign) {
    if (!IsSign(sign)) return false;
    Take();
    return true;
  }
  Status Error(std::string_view what) const { return PromError(text_, Next().at, what); }
  Status Need(std::string_view sign) {
    if (TakeSign(sign)) return absl::OkStatus();
    return Error(StrCat("unexpected ", Said(), ", expected \"", sign, "\""));
  }
  std::string Said() const {
    return Next().kind == PromToken::Kind::kEnd ? "end of input"
                                                : StrCat("\"", Next().text.substr(0, 40), "\"");
  }
  Status End() const {
    if (Next().kind == PromToken::Kind::kEnd) return absl::OkStatus();
    if (IsWord("offset") || IsSign("@")) return Error(StrCat(Said(), " is not supported here"));
    return Error(StrCat("unexpected ", Said()));
  }

  // Recursive descent by precedence; all operators but ^ take from the left.
  Result<ExprPtr> Binary(int least) {
    if (++depth_ > kPromDepthMax) return Error("nested too deeply");
    TRY(ExprPtr left, Unary());
    while (true) {
      PromToken token = Next();
      token.text = Lower(token.text);
      const int precedence = Precedence(token);
      if (precedence == 0 || precedence < least) break;
      const std::size_t at = Next().at;
      Take();
      auto binary = std::make_unique<PromExpr>();
      binary->kind = Kind::kBinary;
      binary->name = token.text;
      TRY(ReadModifiers(*binary));
      TRY(ExprPtr right, Binary(token.text == "^" ? precedence : precedence + 1));
      binary->arguments.push_back(std::move(left));
      binary->arguments.push_back(std::move(right));
      TRY(CheckBinary(*binary, at));
      left = std::move(binary);
      // A chain is as deep as it is long.
      if (++links_ > kPromDepthMax) return Error("nested too deeply");
    }
    --depth_;
    return left;
  }

  Status ReadModifiers(PromExpr& binary) {
    if (IsWord("bool")) {
      if (!IsPromComparison(binary.name))
        return Error("bool modifier can only be used on comparison operators");
      Take();
      binary.as_bool = true;
    }
    if (IsWord("on") || IsWord("ignoring")) {
      binary.only_labels = IsWord("on");
      Take();
      TRY(binary.labels, LabelList());
    }
    if (IsWord("group_left") || IsWord("group_right"))
      return Error(StrCat(Said(), " is not supported here"));
    return absl::OkStatus();
  }

  Status CheckBinary(PromExpr& binary, std::size_t at) const {
    const PromType left = binary.arguments[0]->type;
    const PromType right = binary.arguments[1]->type;
    const auto wrong = [](PromType type) {
      return type != PromType::kScalar && type != PromType::kVector;
    };
    if (wrong(left) || wrong(right))
      return PromError(text_, at,
                       "binary expression must contain only scalar and instant vector types");
    const bool scalars = left == PromType::kScalar && right == PromType::kScalar;
    if (IsPromSetOperator(binary.name) && (left != PromType::kVector || right != PromType::kVector))
      return PromError(
          text_, at,
          StrCat("set operator \"", binary.name, "\" not allowed in binary scalar expression"));
    if (scalars && IsPromComparison(binary.name) && !binary.as_bool)
      return PromError(text_, at, "comparisons between scalars must use BOOL modifier");
    binary.type = scalars ? PromType::kScalar : PromType::kVector;
    return absl::OkStatus();
  }

  Result<ExprPtr> Unary() {
    if (!IsSign("-") && !IsSign("+")) return Primary();
    const bool negate = IsSign("-");
    const std::size_t at = Next().at;
    Take();
    TRY(ExprPtr expr, Binary(kUnary + 1));
    if (expr->type != PromType::kScalar && expr->type != PromType::kVector)
      return PromError(
          text_, at,
          "unary expression only allowed on expressions of type scalar or instant vector");
    if (!negate) return expr;
    if (expr->kind == Kind::kNumber) {
      expr->number = -expr->number;
      return expr;
    }
    auto binary = std::make_unique<PromExpr>();
    binary->kind = Kind::kBinary;
    binary->name = "*";
    binary->type = expr->type;
    auto minus = std::make_unique<PromExpr>();
    minus->number = -1;
    binary->arguments.push_back(std::move(minus));
    binary->arguments.push_back(std::move(expr));
    return binary;
  }

  Result<ExprPtr> Primary() {
    const PromToken& token = Next();
    switch (token.kind) {
      case PromToken::Kind::kNumber:
        return Number();
      case PromToken::Kind::kString: {
        auto expr = std::make_unique<PromExpr>();
        expr->kind = Kind::kString;
        expr->type = PromType::kString;
        expr->name = Take().text;
        return expr;
      }
      case PromToken::Kind::kWord:
        return Word();
      case PromToken::Kind::kSign:
        if (TakeSign("(")) {
          TRY(ExprPtr inner, Binary(0));
          TRY(Need(")"));
          return inner;
        }
        if (token.text == "{") return Selected();
        break;
      default:
        break;
    }
    return Error(StrCat("unexpected ", Said()));
  }

  Result<ExprPtr> Number() {
    const std::string& text = Next().text;
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool range = error == std::errc::result_out_of_range;
    if ((error != std::errc() && !range) || end != text.data() + text.size())
      return Error("bad number or duration syntax");
    auto expr = std::make_unique<PromExpr>();
    expr->number = range ? std::numeric_limits<double>::infinity() : number;
    Take();
    return expr;
  }

  Result<ExprPtr> Word() {
    const std::string word = Next().text;
    const std::string lower = Lower(word);
    const bool call =
        tokens_[at_ + 1].text == "(" && tokens_[at_ + 1].kind == PromToken::Kind::kSign;
    if (!call && (lower == "inf" || lower == "nan")) {
      Take();
      auto expr = std::make_unique<PromExpr>();
      expr->number = lower == "inf" ? std::numeric_limits<double>::infinity()
                                    : std::numeric_limits<double>::quiet_NaN();
      return expr;
    }
    const PromToken& next = tokens_[at_ + 1];
    const bool grouped = next.kind == PromToken::Kind::kWord &&
                         (Lower(next.text) == "by" || Lower(next.text) == "without");
    if ((call || grouped) && IsPromAggregation(lower)) return Aggregate(lower);
    if (call) return Call(word);
    return Selected();
  }

  Result<ExprPtr> Selected() {
    auto expr = std::make_unique<PromExpr>();
    TRY(ReadSelector(*expr));
    if (!TakeSign("[")) return expr;
    if (Next().kind != PromToken::Kind::kDuration)
      return Error("missing unit character in duration");
    const auto range = ParsePromDuration(Next().text);
    if (!range.ok() || *range <= 0) return Error("not a valid duration string");
    Take();
    if (Next().text.starts_with(":")) return Error("subqueries are not supported here");
    TRY(Need("]"));
    expr->range_ms = *range;
    expr->type = PromType::kRange;
    return expr;
  }

  Status ReadSelector(PromExpr& expr) {
    expr.kind = Kind::kSelector;
    expr.type = PromType::kVector;
    const std::size_t at = Next().at;
    if (Next().kind == PromToken::Kind::kWord)
      expr.matchers.push_back(
          {.label = std::string(kPromName), .value = Take().text, .pattern = {}});
    const bool named = !expr.matchers.empty();
    if (TakeSign("{")) {
      while (!TakeSign("}")) {
        TRY(PromMatcher matcher, Matcher());
        if (named && matcher.label == kPromName)
          return PromError(text_, at, "metric name must not be set twice");
        expr.matchers.push_back(std::move(matcher));
        if (!IsSign("}")) TRY(Need(","));
      }
    } else if (!named) {
      return Error(StrCat("unexpected ", Said()));
    }
    if (std::ranges::all_of(expr.matchers, [](const PromMatcher& m) { return m.Matches(""); }))
      return PromError(text_, at, "vector selector must contain at least one non-empty matcher");
    return absl::OkStatus();
  }

  Result<PromMatcher> Matcher() {
    if (Next().kind != PromToken::Kind::kWord || Next().text.find(':') != std::string::npos)
      return Error(StrCat("unexpected ", Said(), " in label matching, expected a label's name"));
    PromMatcher matcher{.label = Take().text, .value = {}, .pattern = {}};
    if (TakeSign("=")) {
      matcher.kind = PromMatcher::Kind::kEqual;
    } else if (TakeSign("!=")) {
      matcher.kind = PromMatcher::Kind::kNotEqual;
    } else if (TakeSign("=~")) {
      matcher.kind = PromMatcher::Kind::kMatches;
    } else if (TakeSign("!~")) {
      matcher.kind = PromMatcher::Kind::kMatchesNot;
    } else {
      return Error(StrCat("unexpected ", Said(), " in label matching, expected an operator"));
    }
    if (Next().kind != PromToken::Kind::kString)
      return Error(StrCat("unexpected ", Said(), " in label matching, expected a string"));
    matcher.value = Next().text;
    if (matcher.kind == PromMatcher::Kind::kMatches ||
        matcher.kind == PromMatcher::Kind::kMatchesNot) {
      re2::RE2::Options options;
      options.set_log_errors(false);
      options.set_max_mem(1 << 20);
      options.set_dot_nl(true);
      matcher.pattern = std::make_shared<const re2::RE2>(matcher.value, options);
      if (!matcher.pattern->ok())
        return Error(StrCat("error parsing regexp: ", matcher.pattern->error()));
    }
    Take();
    return matcher;
  }

  Result<std::vector<std::string>> LabelList() {
    TRY(Need("("));
    std::vector<std::string> labels;
    while (!TakeSign(")")) {
      if (Next().kind != PromToken::Kind::kWord)
        return Error(StrCat("unexpected ", Said(), " in grouping opts, expected a label"));
      labels.push_back(Take().text);
      if (!IsSign(")")) TRY(Need(","));
    }
    return labels;
  }

  Status ReadGrouping(PromExpr& expr) {
    if (!IsWord("by") && !IsWord("without")) return absl::OkStatus();
    expr.only_labels = IsWord("by");
    Take();
    TRY(expr.labels, LabelList());
    return absl::OkStatus();
  }

  // Labels may stand before or behind what is aggregated. None: by ().
  Result<ExprPtr> Aggregate(const std::string& name) {
    auto expr = std::make_unique<PromExpr>();
    expr->kind = Kind::kAggregate;
    expr->type = PromType::kVector;
    expr->name = name;
    expr->only_labels = true;
    Take();
    const bool before = !IsSign("(");
    TRY(ReadGrouping(*expr));
    TRY(Need("("));
    const std::size_t at = Next().at;
    TRY(ExprPtr inner, Binary(0));
    TRY(Need(")"));
    if (!before) TRY(ReadGrouping(*expr));
    if (inner->type != PromType::kVector)
      return PromError(text_, at,
                       StrCat("expected type instant vector in aggregation expression, got ",
                              PromTypeName(inner->type)));
    expr->arguments.push_back(std::move(inner));
    return expr;
  }

  Result<ExprPtr> Call(const std::string& name) {
    const PromFunction* const function = FindPromFunction(name);
    if (function == nullptr) return Error(StrCat("unknown function with name \"", name, "\""));
    auto expr = std::make_unique<PromExpr>();
    expr->kind = Kind::kCall;
    expr->type = function->type;
    expr->name = name;
    const std::size_t at = Next().at;
    Take();
    TRY(Need("("));
    while (!TakeSign(")")) {
      const std::size_t place = Next().at;
      TRY(ExprPtr argument, Binary(0));
      const std::size_t index = expr->arguments.size();
      if (index < function->arguments.size() && argument->type != function->arguments[index])
        return PromError(
            text_, place,
            StrCat("expected type ", PromTypeName(function->arguments[index]),
                   " in call to function \"", name, "\", got ", PromTypeName(argument->type)));
      expr->arguments.push_back(std::move(argument));
      if (!IsSign(")")) TRY(Need(","));
    }
    const std::size_t most = function->arguments.size();
    if (expr->arguments.size() > most || expr->arguments.size() + function->optional < most)
      return PromError(text_, at,
                       StrCat("expected ", most, " argument(s) in call to \"", name, "\", got ",
                              expr->arguments.size()));
    return expr;
  }

  const std::string_view text_;
  const std::vector<PromToken> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  int links_ = 0;
};

Result<Parser> Begin(std::string_view text) {
  if (text.size() > kPromTextMax)
    return absl::InvalidArgumentError(StrCat("parse error: longer than ", kPromTextMax, " bytes"));
  TRY(std::vector<PromToken> tokens, ReadPromTokens(text));
  if (tokens.size() == 1) return PromError(text, 0, "no expression found in input");
  return Parser(text, std::move(tokens));
}

}  // namespace

bool PromMatcher::Matches(std::string_view text) const {
  switch (kind) {
    case Kind::kEqual:
      return text == value;
    case Kind::kNotEqual:
      return text != value;
    case Kind::kMatches:
    case Kind::kMatchesNot:
      break;
  }
  const bool matches = re2::RE2::FullMatch({text.data(), text.size()}, *pattern);
  return matches == (kind == Kind::kMatches);
}

std::string_view PromTypeName(PromType type) {
  switch (type) {
    case PromType::kScalar:
      return "scalar";
    case PromType::kVector:
      return "instant vector";
    case PromType::kRange:
      return "range vector";
    case PromType::kString:
      return "string";
  }
  return "";
}

Result<ExprPtr> ParsePromql(std::string_view text) {
  TRY(Parser parser, Begin(text));
  return parser.Whole();
}

Result<std::vector<PromMatcher>> ParsePromSelector(std::string_view text) {
  TRY(Parser parser, Begin(text));
  return parser.Selector();
}

Result<std::int64_t> ParsePromDuration(std::string_view text) {
  static constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"ms", 1},         {"s", 1'000},       {"m", 60'000},         {"h", 3'600'000},
      {"d", 86'400'000}, {"w", 604'800'000}, {"y", 31'536'000'000},
  };
  std::int64_t total = 0;
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  std::string_view rest = text;
  while (!rest.empty()) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const std::size_t length = std::min(rest.find_first_of("0123456789"), rest.size());
    const auto unit = std::ranges::find(kUnits, rest.substr(0, length),
                                        &std::pair<std::string_view, std::int64_t>::first);
    // Units come once each, from the longest on; a hundred years is enough.
    if (error != std::errc() || count < 0 || unit == std::end(kUnits) || unit->second >= last ||
        count > 3'153'600'000'000 / unit->second)
      return absl::InvalidArgumentError(
          StrCat("not a valid duration string: \"", text.substr(0, 40), "\""));
    last = unit->second;
    total += count * unit->second;
    rest.remove_prefix(length);
  }
  if (text.empty()) return absl::InvalidArgumentError("empty duration string");
  return total;
}

}  // namespace tessera
