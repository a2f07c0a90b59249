#pragma once
// Takes secrets out of text that leaves the house.

#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// Replaces secrets by ***. Thread-safe once made.
class Redactor {
 public:
  /// Texts that must not appear, wherever they stand; those shorter than 6 bytes are left out, as
  /// they would turn up in anything.
  explicit Redactor(std::vector<std::string> secrets);

  /// Without the known secrets, and without what looks like one: credentials in URLs, values of
  /// Authorization headers, and values of query parameters, JSON members and YAML fields whose
  /// names speak of a key, token, secret or password.
  std::string Redact(std::string_view text) const;

 private:
  std::vector<std::string> secrets_;
};

/// Does the name of a variable or field speak of a secret?
bool NamesSecret(std::string_view name);

}  // namespace tessera
