#include "identity/identity_config.h"

namespace tessera {

void IdentityConfig::Describe(Fields<IdentityConfig>& f) {
  f.Choice("mode", &IdentityConfig::mode,
           "Where the identities of the platform's processes come from: builtin (its own "
           "authority), files (cert-manager, SPIRE), or off (cleartext, under a mesh that does "
           "mutual TLS itself).",
           {{"builtin", IdentityMode::kBuiltin},
            {"files", IdentityMode::kFiles},
            {"off", IdentityMode::kOff}});
  f.Optional("trust_domain", &IdentityConfig::trust_domain,
             "The trust domain of every identity: spiffe://TRUST_DOMAIN/GROUP/SERVICES.", 1, 255);
  f.Optional("lifetime", &IdentityConfig::lifetime,
             "Life of a certificate that the built-in authority issues; renewed at half of it.",
             std::chrono::seconds(20), std::chrono::hours(24 * 7));
  f.Optional("certificate", &IdentityConfig::certificate,
             "With mode files: the PEM file of the certificate and what leads to its root.");
  f.Optional("key", &IdentityConfig::key, "With mode files: the PEM file of its private key.");
  f.Optional("trust", &IdentityConfig::trust,
             "With mode files: the PEM file of the authorities to believe.");
  f.Check([](const IdentityConfig& config) -> Status {
    const bool files = config.mode == IdentityMode::kFiles;
    const bool all = !config.certificate.empty() && !config.key.empty() && !config.trust.empty();
    const bool any = !config.certificate.empty() || !config.key.empty() || !config.trust.empty();
    if (files && !all) {
      return absl::InvalidArgumentError(
          "mode files needs certificate, key and trust, the paths of three PEM files");
    }
    if (!files && any) {
      return absl::InvalidArgumentError("certificate, key and trust are for mode files only");
    }
    return absl::OkStatus();
  });
}

}  // namespace tessera
