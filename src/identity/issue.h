#pragma once
// Making X.509 certificates: a root, and what it issues. OpenSSL stays inside the .cc.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tessera {

/// What a certificate is to say.
struct CertificateSpec {
  std::string common_name;        ///< of a root, for people
  std::vector<std::string> uris;  ///< of a workload: one SPIFFE id
  /// For foreign clients, which look for the name that they dialled.
  std::vector<std::string> dns_names = {};
  std::int64_t not_before_ms = 0;
  std::int64_t not_after_ms = 0;
};

/// A certificate and its private key (ECDSA on P-256), both PEM. The key is a secret.
struct KeyPair {
  std::string certificate;
  std::string key;
};

/// A self-signed root that may issue workloads' certificates, and no other authority's.
Result<KeyPair> MakeRoot(const CertificateSpec& spec);
/// A workload's certificate, for both ends of TLS, with a new key and a random serial number.
Result<KeyPair> IssueWorkload(const KeyPair& root, const CertificateSpec& spec);

/// What the first certificate of a PEM text says.
struct CertificateFacts {
  std::string serial;  ///< lower-case hexadecimal
  std::vector<std::string> uris;
  std::int64_t not_before_ms = 0;
  std::int64_t not_after_ms = 0;
};
Result<CertificateFacts> ReadFacts(std::string_view certificate_pem);

}  // namespace tessera
