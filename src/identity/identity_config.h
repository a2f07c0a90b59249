#pragma once
// The section `identity` of the configuration.

#include <chrono>
#include <string>

#include "config/fields.h"

namespace tessera {

enum class IdentityMode {
  kBuiltin,  ///< the platform's own authority, in the data folder
  kFiles,    ///< certificates that cert-manager, SPIRE or an operator keeps
  kOff,      ///< no TLS of our own: under a mesh
};

/// PEM files of one identity.
struct IdentityFiles {
  std::string certificate;
  std::string key;
  std::string trust;
};

struct IdentityConfig {
  IdentityMode mode = IdentityMode::kBuiltin;
  std::string trust_domain = "tessera";
  std::chrono::seconds lifetime = std::chrono::hours(1);
  std::string certificate;
  std::string key;
  std::string trust;

  static void Describe(Fields<IdentityConfig>& f);
  IdentityFiles files() const { return {certificate, key, trust}; }
};

}  // namespace tessera
