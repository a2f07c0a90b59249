#pragma once
// X.509 certificates as TLS needs them. Only for net's own .cc files: it brings OpenSSL.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/status.h"

namespace tessera {

struct OpenSslFree {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(X509_STORE_CTX* p) const { X509_STORE_CTX_free(p); }
};
template <class T>
using OpenSslPtr = std::unique_ptr<T, OpenSslFree>;

/// All certificates of a PEM text, at least one; `what` names the text in errors.
Result<std::vector<OpenSslPtr<X509>>> ReadCertificates(std::string_view pem, std::string_view what);
/// A private key without a passphrase. Errors tell nothing of its text.
Result<OpenSslPtr<EVP_PKEY>> ReadKey(std::string_view pem);

std::int64_t NotBeforeMs(const X509* certificate);
std::int64_t NotAfterMs(const X509* certificate);
/// Lower-case hexadecimal.
std::string SerialOf(const X509* certificate);

/// The one URI of a workload's certificate: a SPIFFE id of `trust_domain`. The error is a clause
/// that goes on from "the certificate".
Result<std::string> SpiffeIdOf(X509* certificate, std::string_view trust_domain);

/// What X509_verify_cert found wrong: a clause that goes on from "the certificate".
std::string WhyNotVerified(X509_STORE_CTX* verified);

/// The reason of OpenSSL's last error, for people; empties the queue.
std::string TakeOpenSslError();

}  // namespace tessera
