#pragma once
// Mutual TLS 1.3 between the platform's own processes: who this process is, and who is at the other
// end; and TLS to servers elsewhere. OpenSSL stays inside the .cc.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tessera {

/// What a process proves itself with, and whom it believes. All PEM.
struct TlsIdentity {
  std::string certificates;  ///< its own, then those that lead from it to the issuer's root
  std::string key;           ///< of the first certificate
  std::string trust;         ///< the authorities whose certificates are believed
};

/// The other end of a connection, as its certificate names it.
struct TlsPeer {
  std::string id;      ///< its one SPIFFE id; "" where there is no TLS
  std::string serial;  ///< of its certificate, in hexadecimal
  std::int64_t not_after_ms = 0;
};

struct TlsOptions {
  std::string trust_domain = "tessera";  ///< of this process and of all its peers
  /// For tests: the time by which certificates are judged. Unset: WallMillis().
  std::function<std::int64_t()> wall_ms;
};

/// To servers of other people, which are believed by the names in their certificates.
struct WebTlsOptions {
  std::string ca_file;           ///< PEM, believed instead of the system's; empty: those
  std::string certificate_file;  ///< of this side, with what leads to its root; empty: none
  std::string key_file;          ///< of that certificate
};

class TlsSession;

/// A process's identity as its connections use it, shared by all of them. TLS 1.3 with ALPN "h2"
/// only; both sides show a certificate with exactly one URI, a SPIFFE id of the trust domain. No
/// session is resumed: each connection proves itself anew (docs/adr/0010-identity.md). Thread-safe.
class TlsContext {
 public:
  /// INVALID_ARGUMENT when the parts do not fit together or are not valid now.
  static Result<std::shared_ptr<TlsContext>> Make(const TlsIdentity& identity,
                                                  TlsOptions options = {});
  /// For clients alone: TLS 1.2 or 1.3 with ALPN "h2". INVALID_ARGUMENT says which file is wrong.
  static Result<std::shared_ptr<TlsContext>> MakeForWeb(const WebTlsOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;

  /// Handshakes from here on use `identity`; connections that stand go on. After an error nothing
  /// has changed.
  Status Renew(const TlsIdentity& identity);

  std::string id() const;
  std::int64_t not_after_ms() const;
  /// Grows with every Renew: connections of an earlier one are replaced in good time.
  std::uint64_t generation() const;

  /// `expected`: see MeetsSpiffeId(), or for the web the server's name or address; another peer
  /// is refused before it gets a byte.
  Result<std::unique_ptr<TlsSession>> NewClient(std::string expected) const;
  Result<std::unique_ptr<TlsSession>> NewServer() const;

 private:
  struct State;
  explicit TlsContext(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

/// TLS of one connection, without its socket: bytes in, bytes out. Not thread-safe.
class TlsSession {
 public:
  struct State;
  explicit TlsSession(std::unique_ptr<State> state);
  ~TlsSession();

  /// Begins: a client's first words are then to be produced.
  Status Begin();
  /// Takes what came over the wire; it must stay until Read has returned 0 or an error.
  void Receive(std::string_view wire);
  /// Takes the handshake further and unpacks up to `size` bytes; 0 when more must come first.
  /// UNAVAILABLE, with the reason, when the peer is refused, refuses, or does not keep to TLS.
  Result<std::size_t> Read(char* plain, std::size_t size);
  /// Both sides have proved who they are. Write before that is a mistake.
  bool established() const;
  /// The peer has said that nothing more comes: the error of Read is then no failure.
  bool finished() const;
  /// Who is there, once established.
  const std::shared_ptr<const TlsPeer>& peer() const;
  /// When the first of the two certificates ends, once established.
  std::int64_t not_after_ms() const;

  /// Appends `plain`, packed, to `wire`.
  Status Write(std::string_view plain, std::string& wire);
  /// Appends what TLS itself has to say: the handshake, an alert.
  void Produce(std::string& wire);
  /// Says that nothing more comes, when established.
  void Finish();

 private:
  const std::unique_ptr<State> state_;
};

}  // namespace tessera
