#pragma once
// What a TLS context and its sessions hold. Only for net's own .cc files: it brings OpenSSL.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/certificate.h"
#include "net/tls.h"

namespace tessera {

/// One identity, ready for handshakes.
struct LoadedIdentity {
  OpenSslPtr<SSL_CTX> ctx;
  std::string id;
  std::int64_t not_after_ms = 0;
};

struct TlsContext::State {
  std::int64_t WallNow() const { return options.wall_ms ? options.wall_ms() : WallMillis(); }
  std::shared_ptr<const LoadedIdentity> Current() const {
    std::lock_guard lock(mutex);
    return current;
  }
  Result<std::shared_ptr<const LoadedIdentity>> Load(const TlsIdentity& identity) const;
  Result<std::shared_ptr<const LoadedIdentity>> LoadForWeb(const WebTlsOptions& files) const;
  Status CheckOwn(SSL_CTX* ctx, X509* leaf) const;
  Result<std::unique_ptr<TlsSession>> NewSession(bool client, std::string expected) const;

  TlsOptions options;
  bool web = false;  ///< peers are known by their hosts' names
  mutable std::mutex mutex;
  std::shared_ptr<const LoadedIdentity> current;
  std::atomic<std::uint64_t> generation{1};
};

struct TlsSession::State {
  /// An SSL that reads from `in` and writes to `sink`. Null when there is no memory.
  static OpenSslPtr<SSL> NewSsl(SSL_CTX* ctx, State& state);
  /// The chain, then the name: before the other side gets anything of us but our certificate.
  static int Verify(X509_STORE_CTX* store, void*);
  /// Of a client for the web: whose certificate it must be.
  bool Expect(const std::string& host);

  Status Failed(std::string why) {
    failed = absl::UnavailableError(std::move(why));
    return failed;
  }
  Status Shake();

  OpenSslPtr<SSL> ssl;
  bool client = false;
  bool web = false;
  std::string expected;
  std::string trust_domain;
  std::int64_t now_ms = 0;
  std::int64_t own_not_after_ms = 0;
  std::string_view in;
  std::size_t handshake_bytes = 0;
  std::string pending;           ///< what TLS itself has to say
  std::string* sink = &pending;  ///< where packed bytes go
  std::string refused;           ///< why Verify did
  bool established = false;
  bool finished = false;
  Status failed;
  std::shared_ptr<const TlsPeer> peer;
};

}  // namespace tessera
