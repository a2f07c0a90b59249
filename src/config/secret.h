#pragma once
// Secrets come by reference, never as text in a configuration file, and never print themselves.

#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace tessera {

/// A secret value. Printing it gives ***; only Reveal() gives the text.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& Reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  friend std::ostream& operator<<(std::ostream& out, const Secret& secret) {
    return out << (secret.empty() ? "" : "***");
  }

 private:
  std::string value_;
};

/// Fetches what `${file:/run/secrets/key}` or `${env:NAME}` points at (a file without its last line
/// end, at most 64 KiB). A text that is no reference is refused, so that no secret lies in the
/// file.
Result<Secret> ResolveSecret(std::string_view reference);

}  // namespace tessera
