#pragma once
// The conditions of `switch` steps: `passages`, `not passages`, `mode == "extractive"`,
// `size(parts) > 1`, joined by `and` / `or` (which bind alike, from left to right).

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "services/orchestration/value.h"

namespace tessera {

/// Immutable and thread-safe.
class Condition {
 public:
  static Result<Condition> Parse(std::string_view text);
  bool Holds(const Variables& variables) const;

 private:
  enum class Compare { kTruthy, kEqual, kNotEqual, kLess, kGreater };
  struct Operand {
    enum class Kind { kName, kSize, kText, kNumber } kind = Kind::kName;
    std::string text;
    double number = 0;
  };
  struct Term {
    bool any = false;  // joined to what stands before it by `or`
    bool negated = false;
    Operand left;
    Compare compare = Compare::kTruthy;
    Operand right;
  };
  class Parser;

  static bool Holds(const Term& term, const Variables& variables);
  static Value Read(const Operand& operand, const Variables& variables);

  std::vector<Term> terms_;
};

}  // namespace tessera
