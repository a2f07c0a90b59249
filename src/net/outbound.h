#pragma once
// Where the server may connect to on somebody's behalf: the guard against server-side request
// forgery.

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "net/uri.h"

namespace tessera {

/// Rules for outbound connections. Default: http and https to public addresses only.
struct OutboundPolicy {
  bool allow_http = true;      ///< http:// besides https://
  bool allow_private = false;  ///< loopback, private, link-local … addresses
  /// Hosts that an operator has named ("localhost", "10.0.0.7:8000"): exempt from the address rule.
  std::vector<std::string> trusted_hosts;

  /// Scheme and host, before anything is resolved. PERMISSION_DENIED says what is not allowed.
  Status CheckUrl(const Url& url) const;
  /// The address that is about to be connected to: called after resolving, for every attempt.
  Status CheckAddress(const Url& url, std::string_view address) const;
};

/// True for addresses of the public internet: not loopback, private, link-local (cloud metadata),
/// multicast, documentation, or an IPv6 form (mapped, NAT64, 6to4) that leads to one of those.
bool IsPublicAddress(std::string_view address);

}  // namespace tessera
