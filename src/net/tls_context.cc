#include <fstream>
#include <iterator>
#include <limits>

#include <openssl/err.h>

#include "net/spiffe.h"
#include "net/tls_state.h"

namespace tessera {
namespace {

constexpr unsigned char kAlpn[] = {2, 'h', '2'};
constexpr long kChainBytesMax = 32 << 10;
constexpr int kChainDepthMax = 6;

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
               unsigned int in_size, void*) {
  for (unsigned int i = 0; i < in_size; i += in[i] + 1U) {
    if (in[i] == 2 && i + 2 < in_size && in[i + 1] == 'h' && in[i + 2] == '2') {
      *out = in + i + 1;
      *out_size = 2;
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// SelectAlpn is not asked when the client offers nothing at all.
int DemandAlpn(SSL* ssl, int* alert, void*) {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data,
                                &size) == 1) {
    return SSL_CLIENT_HELLO_SUCCESS;
  }
  ERR_raise(ERR_LIB_SSL, SSL_R_NO_APPLICATION_PROTOCOL);
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

}  // namespace

Status TlsContext::State::CheckOwn(SSL_CTX* ctx, X509* leaf) const {
  const OpenSslPtr<X509_STORE_CTX> check(X509_STORE_CTX_new());
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(ctx, &chain);
  X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(ctx), leaf, chain);
  X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(check.get());
  X509_VERIFY_PARAM_set_time(param, WallNow() / 1000);
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
  const bool good = X509_verify_cert(check.get()) == 1;
  ERR_clear_error();
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("this process's certificate", WhyNotVerified(check.get())));
}

Result<std::shared_ptr<const LoadedIdentity>> TlsContext::State::Load(
    const TlsIdentity& identity) const {
  ERR_clear_error();
  TRY(auto chain, ReadCertificates(identity.certificates, "this process's certificates"));
  TRY(const OpenSslPtr<EVP_PKEY> key, ReadKey(identity.key));
  TRY(const auto trust, ReadCertificates(identity.trust, "the trust bundle"));
  auto loaded = std::make_shared<LoadedIdentity>();
  loaded->ctx.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX* const ctx = loaded->ctx.get();
  CHECK(ctx != nullptr);
  SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(
      ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_max_cert_list(ctx, kChainBytesMax);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(ctx, kChainDepthMax);
  SSL_CTX_set_cert_verify_callback(ctx, &TlsSession::State::Verify, nullptr);
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_alpn_select_cb(ctx, &SelectAlpn, nullptr);
  SSL_CTX_set_client_hello_cb(ctx, &DemandAlpn, nullptr);
  SSL_CTX_set_alpn_protos(ctx, kAlpn, sizeof kAlpn);
  X509* const leaf = chain.front().get();
  Result<std::string> id = SpiffeIdOf(leaf, options.trust_domain);
  if (!id.ok()) {
    return absl::InvalidArgumentError(
        StrCat("this process's certificate ", StdView(id.status().message())));
  }
  loaded->id = *std::move(id);
  loaded->not_after_ms = NotAfterMs(leaf);
  if (SSL_CTX_use_certificate(ctx, leaf) != 1 || SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) {
    return absl::InvalidArgumentError(
        StrCat("this process's certificate and key: ", TakeOpenSslError()));
  }
  for (std::size_t i = 1; i < chain.size(); ++i) SSL_CTX_add1_chain_cert(ctx, chain[i].get());
  for (const auto& root : trust) X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root.get());
  TRY(CheckOwn(ctx, leaf));
  ERR_clear_error();
  return std::shared_ptr<const LoadedIdentity>(std::move(loaded));
}

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<TlsContext>> TlsContext::Make(const TlsIdentity& identity,
                                                     TlsOptions options) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  TRY(state->current, state->Load(identity));
  // tidy: the constructor is private
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));
}

namespace {

Result<std::string> ReadPem(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() || text.empty())
    return absl::InvalidArgumentError(StrCat("cannot read ", path, ", or it is empty"));
  return text;
}

// This side's own certificate, for servers that ask for one.
Status Show(SSL_CTX* ctx, const WebTlsOptions& files, LoadedIdentity& loaded) {
  TRY(const std::string certificates, ReadPem(files.certificate_file));
  TRY(const std::string key_text, ReadPem(files.key_file));
  TRY(auto chain, ReadCertificates(certificates, files.certificate_file));
  TRY(const OpenSslPtr<EVP_PKEY> key, ReadKey(key_text));
  loaded.not_after_ms = NotAfterMs(chain.front().get());
  if (SSL_CTX_use_certificate(ctx, chain.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, key.get()) != 1)
    return absl::InvalidArgumentError(StrCat(files.certificate_file, " and ", files.key_file,
                                             " do not belong together: ", TakeOpenSslError()));
  for (std::size_t i = 1; i < chain.size(); ++i) SSL_CTX_add1_chain_cert(ctx, chain[i].get());
  return absl::OkStatus();
}

}  // namespace

Result<std::shared_ptr<const LoadedIdentity>> TlsContext::State::LoadForWeb(
    const WebTlsOptions& files) const {
  ERR_clear_error();
  auto loaded = std::make_shared<LoadedIdentity>();
  loaded->not_after_ms = std::numeric_limits<std::int64_t>::max();
  loaded->ctx.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const ctx = loaded->ctx.get();
  CHECK(ctx != nullptr);
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_max_cert_list(ctx, kChainBytesMax);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(ctx, &TlsSession::State::Verify, nullptr);
  SSL_CTX_set_alpn_protos(ctx, kAlpn, sizeof kAlpn);
  if (files.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(ctx);
  } else {
    TRY(const std::string text, ReadPem(files.ca_file));
    TRY(const auto trust, ReadCertificates(text, files.ca_file));
    for (const auto& root : trust) X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root.get());
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (files.certificate_file.empty() != files.key_file.empty())
    return absl::InvalidArgumentError(
        "a certificate of this side needs its key, and the other way");
  if (!files.certificate_file.empty()) TRY(Show(ctx, files, *loaded));
  ERR_clear_error();
  return std::shared_ptr<const LoadedIdentity>(std::move(loaded));
}

Result<std::shared_ptr<TlsContext>> TlsContext::MakeForWeb(const WebTlsOptions& options) {
  auto state = std::make_unique<State>();
  state->web = true;
  TRY(state->current, state->LoadForWeb(options));
  // tidy: the constructor is private
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));
}

Status TlsContext::Renew(const TlsIdentity& identity) {
  TRY(std::shared_ptr<const LoadedIdentity> loaded, state_->Load(identity));
  std::lock_guard lock(state_->mutex);
  state_->current = std::move(loaded);
  state_->generation.fetch_add(1, std::memory_order_release);
  return absl::OkStatus();
}

std::string TlsContext::id() const { return state_->Current()->id; }
std::int64_t TlsContext::not_after_ms() const { return state_->Current()->not_after_ms; }
std::uint64_t TlsContext::generation() const {
  return state_->generation.load(std::memory_order_acquire);
}

Result<std::unique_ptr<TlsSession>> TlsContext::State::NewSession(bool client,
                                                                  std::string expected) const {
  const std::shared_ptr<const LoadedIdentity> loaded = Current();
  auto session = std::make_unique<TlsSession::State>();
  session->client = client;
  session->web = web;
  session->expected = std::move(expected);
  session->trust_domain = options.trust_domain;
  session->now_ms = WallNow();
  session->own_not_after_ms = loaded->not_after_ms;
  session->ssl = TlsSession::State::NewSsl(loaded->ctx.get(), *session);
  if (!session->ssl) return absl::ResourceExhaustedError("no memory for a TLS session");
  if (web && !session->Expect(session->expected))
    return absl::InvalidArgumentError(
        StrCat("\"", session->expected, "\" is no name of a server that speaks TLS"));
  return std::make_unique<TlsSession>(std::move(session));
}

Result<std::unique_ptr<TlsSession>> TlsContext::NewClient(std::string expected) const {
  return state_->NewSession(true, std::move(expected));
}
Result<std::unique_ptr<TlsSession>> TlsContext::NewServer() const {
  return state_->NewSession(false, "");
}

}  // namespace tessera
