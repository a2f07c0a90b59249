#pragma once
// Takes secrets, and what identifies people, out of text that leaves the process or the house.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tessera {

/// What else is hidden besides secrets.
struct RedactionRules {
  bool email = false;
  bool phone = false;                 ///< with a country's prefix, or with separators
  bool iban = false;                  ///< whose check digits are right
  bool card = false;                  ///< 13 to 19 digits that pass the Luhn check
  std::vector<std::string> patterns;  ///< regular expressions (RE2) of the user's own
};

/// Replaces secrets by ***. Thread-safe once made.
class Redactor {
 public:
  /// Texts that must not appear, wherever they stand; those shorter than 6 bytes are left out, as
  /// they would turn up in anything.
  explicit Redactor(std::vector<std::string> secrets, RedactionRules rules = {});
  ~Redactor();
  Redactor(const Redactor&) = delete;

  /// Without the known secrets, and without what looks like one: credentials in URLs, values of
  /// Authorization headers, values of query parameters, JSON members and YAML fields whose
  /// names speak of a key, token, secret or password, keys of well-known forms, JSON Web Tokens,
  /// private keys.
  std::string Redact(std::string_view text) const;

 private:
  struct Patterns;
  std::vector<std::string> secrets_;
  const RedactionRules rules_;
  const std::unique_ptr<const Patterns> patterns_;
};

/// INVALID_ARGUMENT names the first of them that is no regular expression.
Status CheckPatterns(const std::vector<std::string>& patterns);

/// Does the name of a variable or field speak of a secret?
bool NamesSecret(std::string_view name);

/// The same for a value of a log record: counts of tokens and the like are none.
bool HoldsSecret(std::string_view name, std::string_view value);

/// `text` with whatever is not UTF-8 replaced by U+FFFD.
std::string ValidUtf8(std::string_view text);

}  // namespace tessera
