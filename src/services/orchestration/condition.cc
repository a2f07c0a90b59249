#include "services/orchestration/condition.h"

#include <cctype>
#include <cstdlib>

namespace tessera {

class Condition::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) { Advance(); }

  Result<std::vector<Term>> Parse() {
    std::vector<Term> terms;
    bool any = false;
    while (true) {
      TRY(Term term, ParseTerm());
      term.any = any;
      terms.push_back(std::move(term));
      if (token_.empty()) return terms;
      if (token_ != "and" && token_ != "or") return Unexpected("\"and\", \"or\" or the end");
      any = token_ == "or";
      Advance();
    }
  }

 private:
  static bool IsWord(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
  }

  void Advance() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    const std::size_t start = at_;
    if (at_ == text_.size()) {
      token_ = {};
      return;
    }
    if (text_[at_] == '"') {
      const std::size_t end = text_.find('"', at_ + 1);
      at_ = end == std::string_view::npos ? text_.size() : end + 1;
    } else if (IsWord(text_[at_])) {
      while (at_ < text_.size() && IsWord(text_[at_])) ++at_;
    } else {
      ++at_;
      if (at_ < text_.size() && text_[at_] == '=') ++at_;
    }
    token_ = text_.substr(start, at_ - start);
  }

  Result<Term> ParseTerm() {
    Term term;
    if (token_ == "not") {
      term.negated = true;
      Advance();
    }
    TRY(term.left, ParseOperand());
    if (token_ == "==")
      term.compare = Compare::kEqual;
    else if (token_ == "!=")
      term.compare = Compare::kNotEqual;
    else if (token_ == "<")
      term.compare = Compare::kLess;
    else if (token_ == ">")
      term.compare = Compare::kGreater;
    else
      return term;
    Advance();
    TRY(term.right, ParseOperand());
    return term;
  }

  Result<Operand> ParseOperand() {
    Operand operand;
    if (token_.empty()) return Unexpected("a variable, a \"text\" or a number");
    if (token_.front() == '"') {
      if (token_.size() < 2 || token_.back() != '"') return Unexpected("a closing quote");
      operand.kind = Operand::Kind::kText;
      operand.text = token_.substr(1, token_.size() - 2);
    } else if (std::isdigit(static_cast<unsigned char>(token_.front())) != 0) {
      operand.kind = Operand::Kind::kNumber;
      operand.number = std::strtod(std::string(token_).c_str(), nullptr);
    } else if (IsWord(token_.front())) {
      operand.text = token_;
      Advance();
      if (operand.text != "size" || token_ != "(") return operand;
      Advance();
      operand.kind = Operand::Kind::kSize;
      operand.text = token_;
      Advance();
      if (token_ != ")") return Unexpected("\")\" behind size(variable");
    } else {
      return Unexpected("a variable, a \"text\" or a number");
    }
    Advance();
    return operand;
  }

  Status Unexpected(std::string_view wanted) const {
    return absl::InvalidArgumentError(StrCat("condition: expected ", wanted, " but found ",
                                             token_.empty() ? "the end" : token_, " at character ",
                                             at_ - token_.size() + 1));
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::string_view token_;
};

Result<Condition> Condition::Parse(std::string_view text) {
  Condition condition;
  TRY(condition.terms_, Parser(text).Parse());
  return condition;
}

bool Condition::Holds(const Variables& variables) const {
  bool holds = true;
  for (const Term& term : terms_) {
    if (&term != &terms_.front() && term.any == holds) continue;
    holds = Holds(term, variables);
  }
  return holds;
}

Value Condition::Read(const Operand& operand, const Variables& variables) {
  switch (operand.kind) {
    case Operand::Kind::kName:
      return variables.Get(operand.text);
    case Operand::Kind::kSize:
      return static_cast<double>(SizeOf(variables.Get(operand.text)));
    case Operand::Kind::kText:
      return operand.text;
    case Operand::Kind::kNumber:
      return operand.number;
  }
  return {};
}

bool Condition::Holds(const Term& term, const Variables& variables) {
  const Value left = Read(term.left, variables);
  if (term.compare == Compare::kTruthy) return Truthy(left) != term.negated;
  const Value right = Read(term.right, variables);
  bool holds = false;
  const auto* left_number = std::get_if<double>(&left);
  const auto* right_number = std::get_if<double>(&right);
  if (left_number != nullptr && right_number != nullptr) {
    holds = term.compare == Compare::kEqual      ? *left_number == *right_number
            : term.compare == Compare::kNotEqual ? *left_number != *right_number
            : term.compare == Compare::kLess     ? *left_number < *right_number
                                                 : *left_number > *right_number;
  } else if (term.compare == Compare::kEqual || term.compare == Compare::kNotEqual) {
    holds = (ToText(left) == ToText(right)) == (term.compare == Compare::kEqual);
  }
  return holds != term.negated;
}

}  // namespace tessera
