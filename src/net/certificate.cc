#include "net/certificate.h"

#include <ctime>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "net/spiffe.h"

namespace tessera {
namespace {

constexpr int kCertificatesMax = 100;

OpenSslPtr<BIO> Text(std::string_view text) {
  return OpenSslPtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int NoPassphrase(char*, int, int, void*) { return -1; }

std::int64_t ToMs(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return static_cast<std::int64_t>(::timegm(&parts)) * 1000;
}

std::string_view Moment(std::int64_t wall_ms, char (&buffer)[25]) {
  return Rfc3339(wall_ms, buffer);
}

}  // namespace

Result<std::vector<OpenSslPtr<X509>>> ReadCertificates(std::string_view pem,
                                                       std::string_view what) {
  std::vector<OpenSslPtr<X509>> certificates;
  const OpenSslPtr<BIO> text = Text(pem);
  while (static_cast<int>(certificates.size()) < kCertificatesMax) {
    OpenSslPtr<X509> next(PEM_read_bio_X509(text.get(), nullptr, &NoPassphrase, nullptr));
    if (!next) break;
    certificates.push_back(std::move(next));
  }
  // The end of the text is an error as well: only another one is worth telling.
  const unsigned long error = ERR_peek_last_error();
  const bool ended =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  const std::string reason = TakeOpenSslError();
  if (!ended && !reason.empty()) {
    return absl::InvalidArgumentError(StrCat(what, ": a certificate is broken: ", reason));
  }
  if (certificates.empty()) {
    return absl::InvalidArgumentError(StrCat(what, ": no PEM certificate in it"));
  }
  return certificates;
}

Result<OpenSslPtr<EVP_PKEY>> ReadKey(std::string_view pem) {
  const OpenSslPtr<BIO> text = Text(pem);
  OpenSslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(text.get(), nullptr, &NoPassphrase, nullptr));
  ERR_clear_error();
  if (!key) return absl::InvalidArgumentError("the private key is no PEM key without passphrase");
  return key;
}

std::int64_t NotBeforeMs(const X509* certificate) { return ToMs(X509_get0_notBefore(certificate)); }
std::int64_t NotAfterMs(const X509* certificate) { return ToMs(X509_get0_notAfter(certificate)); }

std::string SerialOf(const X509* certificate) {
  const ASN1_INTEGER* const serial = X509_get0_serialNumber(certificate);
  std::string text;
  for (int i = 0; i < serial->length; ++i) {
    StrAppend(&text, absl::Hex(serial->data[i], absl::kZeroPad2));
  }
  return text;
}

Result<std::string> SpiffeIdOf(X509* certificate, std::string_view trust_domain) {
  if (X509_check_ca(certificate) != 0) {
    return absl::InvalidArgumentError("is an authority's, not a workload's");
  }
  auto* const names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string uri;
  int uris = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const text = name->d.uniformResourceIdentifier;
    uri.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
               static_cast<std::size_t>(ASN1_STRING_length(text)));
    ++uris;
  }
  GENERAL_NAMES_free(names);
  ERR_clear_error();
  if (uris != 1) {
    return absl::InvalidArgumentError(
        StrCat("has ", uris, " URIs among its alternative names, and a SPIFFE id is just one"));
  }
  const Result<SpiffeId> id = ParseSpiffeId(uri);
  if (!id.ok()) {
    return absl::InvalidArgumentError(
        StrCat("names no SPIFFE id: ", StdView(id.status().message())));
  }
  if (id->trust_domain != trust_domain) {
    return absl::InvalidArgumentError(
        StrCat("is of the trust domain ", id->trust_domain, ", not of ", trust_domain));
  }
  return uri;
}

std::string WhyNotVerified(X509_STORE_CTX* verified) {
  const int error = X509_STORE_CTX_get_error(verified);
  const X509* const at = X509_STORE_CTX_get_current_cert(verified);
  const std::string whose = X509_STORE_CTX_get_error_depth(verified) == 0 ? "" : "'s issuer";
  char buffer[25];
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return StrCat(whose, " has expired at ", Moment(at ? NotAfterMs(at) : 0, buffer));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return StrCat(whose, " is not valid before ", Moment(at ? NotBeforeMs(at) : 0, buffer),
                    ": compare the clocks");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return " comes from no authority of the trust bundle: both sides need each other's";
    case X509_V_ERR_INVALID_PURPOSE:
      return StrCat(whose, " is not made for this use (extended key usage)");
    default:
      return StrCat(whose, " is not accepted: ", X509_verify_cert_error_string(error));
  }
}

std::string TakeOpenSslError() {
  const unsigned long error = ERR_peek_last_error();
  std::string reason;
  if (error != 0) {
    const char* const text = ERR_reason_error_string(error);
    reason = text != nullptr ? text : StrCat("OpenSSL error ", error);
  }
  ERR_clear_error();
  return reason;
}

}  // namespace tessera
