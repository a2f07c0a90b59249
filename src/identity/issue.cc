#include "identity/issue.h"

#include <array>
#include <ctime>
#include <memory>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace tessera {
namespace {

struct Free {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(BIGNUM* p) const { BN_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
  void operator()(GENERAL_NAMES* p) const { GENERAL_NAMES_free(p); }
};
template <class T>
using Ptr = std::unique_ptr<T, Free>;

constexpr int kVersion3 = 2;
constexpr std::size_t kSerialBytes = 16;

Status Failed(std::string_view what) {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  Status status = absl::InternalError(StrCat("cannot ", what, ": ", reason ? reason : "OpenSSL"));
  ERR_clear_error();
  return status;
}

Ptr<BIO> Text(std::string_view text) {
  return Ptr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string Take(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

Ptr<X509> ReadCertificate(std::string_view pem) {
  return Ptr<X509>(PEM_read_bio_X509(Text(pem).get(), nullptr, nullptr, nullptr));
}

Result<KeyPair> ToPem(X509* certificate, EVP_PKEY* key) {
  const Ptr<BIO> certificate_text(BIO_new(BIO_s_mem()));
  const Ptr<BIO> key_text(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(certificate_text.get(), certificate) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return Failed("write a certificate");
  }
  return KeyPair{.certificate = Take(certificate_text.get()), .key = Take(key_text.get())};
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Ptr<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Not through the text form of extensions: there a comma in a name would begin another one.
bool AddNames(X509* certificate, const CertificateSpec& spec) {
  const Ptr<GENERAL_NAMES> names(GENERAL_NAMES_new());
  const auto add = [&names](int type, const std::string& value) {
    GENERAL_NAME* const name = GENERAL_NAME_new();
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, value.data(), static_cast<int>(value.size()));
    GENERAL_NAME_set0_value(name, type, text);
    sk_GENERAL_NAME_push(names.get(), name);
  };
  for (const std::string& uri : spec.uris) add(GEN_URI, uri);
  for (const std::string& dns : spec.dns_names) add(GEN_DNS, dns);
  if (sk_GENERAL_NAME_num(names.get()) == 0) return true;
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 1, 0) == 1;
}

bool SetSerial(X509* certificate) {
  std::array<unsigned char, kSerialBytes> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, of full length
  const Ptr<BIGNUM> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

// All that roots and workloads have in common, but the extensions and the signature.
Result<Ptr<X509>> Begin(const CertificateSpec& spec, EVP_PKEY* key) {
  Ptr<X509> certificate(X509_new());
  X509* const made = certificate.get();
  if (made == nullptr || X509_set_version(made, kVersion3) != 1 || !SetSerial(made) ||
      ASN1_TIME_set(X509_getm_notBefore(made), spec.not_before_ms / 1000) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(made), spec.not_after_ms / 1000) == nullptr ||
      X509_set_pubkey(made, key) != 1) {
    return Failed("make a certificate");
  }
  if (!spec.common_name.empty() &&
      X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(spec.common_name.data()),
                                 static_cast<int>(spec.common_name.size()), -1, 0) != 1) {
    return Failed("name a certificate");
  }
  return certificate;
}

std::int64_t ToMs(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return static_cast<std::int64_t>(::timegm(&parts)) * 1000;
}

}  // namespace

Result<KeyPair> MakeRoot(const CertificateSpec& spec) {
  const Ptr<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (!key) return Failed("make a key");
  TRY(const Ptr<X509> root, Begin(spec, key.get()));
  X509* const made = root.get();
  if (X509_set_issuer_name(made, X509_get_subject_name(made)) != 1 ||
      !AddExtension(made, made, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(made, made, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !AddExtension(made, made, NID_subject_key_identifier, "hash") ||
      X509_sign(made, key.get(), EVP_sha256()) <= 0) {
    return Failed("make a root certificate");
  }
  return ToPem(made, key.get());
}

Result<KeyPair> IssueWorkload(const KeyPair& root, const CertificateSpec& spec) {
  const Ptr<X509> issuer = ReadCertificate(root.certificate);
  const Ptr<EVP_PKEY> issuer_key(
      PEM_read_bio_PrivateKey(Text(root.key).get(), nullptr, nullptr, nullptr));
  if (!issuer || !issuer_key) return Failed("read the root's certificate and key");
  const Ptr<EVP_PKEY> key(EVP_EC_gen("P-256"));
  if (!key) return Failed("make a key");
  TRY(const Ptr<X509> certificate, Begin(spec, key.get()));
  X509* const made = certificate.get();
  // Without a subject the alternative name must be critical (RFC 5280, 4.2.1.6).
  if (X509_set_issuer_name(made, X509_get_subject_name(issuer.get())) != 1 ||
      !AddExtension(made, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(made, issuer.get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(made, issuer.get(), NID_ext_key_usage, "serverAuth,clientAuth") ||
      !AddExtension(made, issuer.get(), NID_authority_key_identifier, "keyid:always") ||
      !AddNames(made, spec) || X509_sign(made, issuer_key.get(), EVP_sha256()) <= 0) {
    return Failed("issue a certificate");
  }
  return ToPem(made, key.get());
}

Result<CertificateFacts> ReadFacts(std::string_view certificate_pem) {
  const Ptr<X509> certificate = ReadCertificate(certificate_pem);
  ERR_clear_error();
  if (!certificate) return absl::InvalidArgumentError("no PEM certificate in it");
  CertificateFacts facts;
  const ASN1_INTEGER* const serial = X509_get0_serialNumber(certificate.get());
  for (int i = 0; i < serial->length; ++i) {
    StrAppend(&facts.serial, absl::Hex(serial->data[i], absl::kZeroPad2));
  }
  const Ptr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const text = name->d.uniformResourceIdentifier;
    facts.uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                            static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  facts.not_before_ms = ToMs(X509_get0_notBefore(certificate.get()));
  facts.not_after_ms = ToMs(X509_get0_notAfter(certificate.get()));
  ERR_clear_error();
  return facts;
}

}  // namespace tessera
