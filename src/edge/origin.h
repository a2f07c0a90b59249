#pragma once
// Browsers as confused deputies: DNS rebinding, cross-site requests, CORS.

#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace tessera {

/// Which pages may talk to this server from a browser. Immutable.
class OriginPolicy {
 public:
  struct Options {
    /// Origins that scripts may read replies from ("https://app.example"), besides the server's
    /// own. "*" is all of them, without cookies: needed by pages of OPEA; safe only because keys
    /// then have to be sent by the script.
    std::vector<std::string> cors_origins;
    /// Names that a Host header may have; empty: any. Set when no key is asked for, so that a
    /// foreign name that was made to lead here (rebinding) is refused.
    std::vector<std::string> hosts;
  };
  explicit OriginPolicy(Options options) : options_(std::move(options)) {}

  /// The names under which a loopback server may be asked for.
  static std::vector<std::string> LoopbackHosts();

  /// False when the Host header names somebody else.
  bool HostIsAllowed(const HttpRequest& request) const;
  /// True when the request does not come from a page of another origin (or does not come from a
  /// page at all). `need_proof`: a missing Origin counts as foreign.
  bool IsSameOrigin(const HttpRequest& request, bool need_proof) const;
  /// True when the Origin is one that CORS is configured for.
  bool IsAllowedOrigin(const HttpRequest& request) const;
  /// The reply to a preflight request of an allowed origin.
  HttpReply Preflight(const HttpRequest& request, std::string_view allow) const;
  /// Adds what lets an allowed page read the reply.
  void AddHeaders(std::string_view origin, HttpReply& reply) const;

 private:
  const Options options_;
};

}  // namespace tessera
