#include <algorithm>
#include <cstring>

#include <openssl/err.h>

#include "net/spiffe.h"
#include "net/tls_state.h"

namespace tessera {
namespace {

// What a peer may send before it has proved who it is; one chain takes 2 to 5 KB.
constexpr std::size_t kHandshakeBytesMax = 64 << 10;
constexpr int kAlertBase = 1000;  // OpenSSL's reasons from here on are the peer's alerts

// Of an alert, RFC 8446 6.2: what the peer says of this side.
std::string_view WhatAlertSays(int alert) {
  switch (alert) {
    case 40:  // handshake_failure: what TLS stacks send for a check of their own
    case 49:  // access_denied
      return "it refuses this side's identity";
    case 42:
    case 43:
    case 46:
      return "it refuses this side's certificate";
    case 44:
      return "this side's certificate is revoked";
    case 45:
      return "this side's certificate has expired, by the peer's clock";
    case 48:
      return "its trust bundle has no authority that issued this side's certificate";
    case 70:
      return "it does not speak TLS 1.3";
    case 116:
      return "it asks for a certificate of this side";
    case 120:
      return "it does not speak HTTP/2";
    default:
      return "it sent an alert";
  }
}

// What went wrong in TLS itself; empties the queue.
std::string WhyTlsFailed() {
  const int reason = ERR_GET_REASON(ERR_peek_error());
  const std::string text = TakeOpenSslError();
  if (reason > kAlertBase) {
    const int alert = reason - kAlertBase;
    return StrCat("the peer broke off: ", WhatAlertSays(alert), " (TLS alert ", alert, ")");
  }
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_BAD_RECORD_TYPE:
      return "the peer does not speak TLS: turn it on, or off, at both ends";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
      return "the peer does not speak TLS 1.3, and no older one is accepted";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "the peer shows no certificate";
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return "the peer does not offer HTTP/2 (ALPN h2)";
    default:
      return StrCat("the peer does not keep to TLS: ", text.empty() ? "no reason given" : text);
  }
}

int BioRead(BIO* bio, char* out, std::size_t size, std::size_t* taken) {
  auto& state = *static_cast<TlsSession::State*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *taken = std::min(size, state.in.size());
  if (*taken == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(out, state.in.data(), *taken);
  state.in.remove_prefix(*taken);
  return 1;
}

int BioWrite(BIO* bio, const char* bytes, std::size_t size, std::size_t* written) {
  static_cast<TlsSession::State*>(BIO_get_data(bio))->sink->append(bytes, size);
  *written = size;
  return 1;
}

long BioControl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* BioMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tessera");
    CHECK(made != nullptr);
    BIO_meth_set_read_ex(made, &BioRead);
    BIO_meth_set_write_ex(made, &BioWrite);
    BIO_meth_set_ctrl(made, &BioControl);
    return made;
  }();
  return method;
}

}  // namespace

OpenSslPtr<SSL> TlsSession::State::NewSsl(SSL_CTX* ctx, State& state) {
  OpenSslPtr<SSL> ssl(SSL_new(ctx));
  BIO* const bio = BIO_new(BioMethod());
  if (!ssl || bio == nullptr) {
    BIO_free(bio);
    ERR_clear_error();
    return nullptr;
  }
  BIO_set_data(bio, &state);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_app_data(ssl.get(), &state);
  if (state.client) {
    SSL_set_connect_state(ssl.get());
  } else {
    SSL_set_accept_state(ssl.get());
  }
  return ssl;
}

bool TlsSession::State::Expect(const std::string& host) {
  X509_VERIFY_PARAM* const param = SSL_get0_param(ssl.get());
  // An address is in a field of its own, and is not named to the server.
  if (X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) == 1) return true;
  ERR_clear_error();
  return X509_VERIFY_PARAM_set1_host(param, host.data(), host.size()) == 1 &&
         SSL_set_tlsext_host_name(ssl.get(), host.c_str()) == 1;
}

int TlsSession::State::Verify(X509_STORE_CTX* store, void*) {
  auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& state = *static_cast<State*>(SSL_get_app_data(ssl));
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(store), state.now_ms / 1000);
  if (X509_verify_cert(store) != 1) {
    state.refused = StrCat("the peer's certificate", WhyNotVerified(store));
    return 0;
  }
  X509* const leaf = X509_STORE_CTX_get0_cert(store);
  if (state.web) {  // the name was looked at with the chain
    state.peer = std::make_shared<const TlsPeer>(
        TlsPeer{.id = "", .serial = SerialOf(leaf), .not_after_ms = NotAfterMs(leaf)});
    return 1;
  }
  const Result<std::string> id = SpiffeIdOf(leaf, state.trust_domain);
  if (!id.ok()) {
    state.refused = StrCat("the peer's certificate ", StdView(id.status().message()));
  } else if (!MeetsSpiffeId(state.expected, *id)) {
    state.refused = StrCat("the peer is ", *id, ", but ", state.expected, " was expected there");
  } else {
    state.peer = std::make_shared<const TlsPeer>(
        TlsPeer{.id = *id, .serial = SerialOf(leaf), .not_after_ms = NotAfterMs(leaf)});
    return 1;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

Status TlsSession::State::Shake() {
  if (handshake_bytes > kHandshakeBytesMax) {
    return Failed("the peer's TLS handshake is longer than any honest one");
  }
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl.get());
  if (done != 1) {
    const int error = SSL_get_error(ssl.get(), done);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return absl::OkStatus();
    const std::string why = WhyTlsFailed();
    return Failed(refused.empty() ? why : refused);
  }
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl.get(), &protocol, &size);
  if (size != 2 || protocol[0] != 'h' || protocol[1] != '2') {
    return Failed("the peer does not speak HTTP/2 (ALPN h2)");
  }
  CHECK(peer != nullptr);  // no handshake ends without Verify
  established = true;
  return absl::OkStatus();
}

TlsSession::TlsSession(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsSession::~TlsSession() = default;

Status TlsSession::Begin() { return state_->client ? state_->Shake() : absl::OkStatus(); }

void TlsSession::Receive(std::string_view wire) {
  state_->in = wire;
  if (!state_->established) state_->handshake_bytes += wire.size();
}

Result<std::size_t> TlsSession::Read(char* plain, std::size_t size) {
  TRY(Status(state_->failed));
  if (!state_->established) {
    TRY(state_->Shake());
    if (!state_->established) return std::size_t{0};
  }
  ERR_clear_error();
  std::size_t got = 0;
  if (SSL_read_ex(state_->ssl.get(), plain, size, &got) == 1) return got;
  switch (SSL_get_error(state_->ssl.get(), 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return std::size_t{0};
    case SSL_ERROR_ZERO_RETURN:
      state_->finished = true;
      return state_->Failed("the peer closed the connection");
    default:
      return state_->Failed(WhyTlsFailed());
  }
}

bool TlsSession::established() const { return state_->established; }
bool TlsSession::finished() const { return state_->finished; }

const std::shared_ptr<const TlsPeer>& TlsSession::peer() const { return state_->peer; }

std::int64_t TlsSession::not_after_ms() const {
  return std::min(state_->own_not_after_ms, state_->peer->not_after_ms);
}

Status TlsSession::Write(std::string_view plain, std::string& wire) {
  DCHECK(state_->established);
  TRY(Status(state_->failed));
  Produce(wire);
  ERR_clear_error();
  state_->sink = &wire;
  std::size_t written = 0;
  const int done = SSL_write_ex(state_->ssl.get(), plain.data(), plain.size(), &written);
  state_->sink = &state_->pending;
  if (done == 1 && written == plain.size()) return absl::OkStatus();
  return state_->Failed(WhyTlsFailed());
}

void TlsSession::Produce(std::string& wire) {
  wire.append(state_->pending);
  state_->pending.clear();
}

void TlsSession::Finish() {
  if (!state_->established || !state_->failed.ok()) return;
  SSL_shutdown(state_->ssl.get());
  ERR_clear_error();
}

}  // namespace tessera
