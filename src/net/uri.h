#pragma once
// Request targets and URLs: percent-decoding, path normalising, query strings.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace tessera {

/// Undoes %XX (and '+' as a space when `plus_is_space`). INVALID_ARGUMENT on a bad escape or a NUL.
Result<std::string> PercentDecode(std::string_view text, bool plus_is_space = false);
/// Escapes everything but RFC 3986's unreserved characters and those in `keep`.
std::string PercentEncode(std::string_view text, std::string_view keep = {});

/// A request target in origin form or absolute form, taken apart.
struct Target {
  std::string path;  ///< decoded; begins with '/', no "." or ".." segments, no empty ones inside
  std::string_view query;  ///< as sent, without '?'
};
/// Refuses what could mean another path to somebody else: bad escapes, "..", encoded '/', NUL,
/// backslash, control characters, broken UTF-8, fragments. `target` must outlive the result.
Result<Target> ParseTarget(std::string_view target);

/// Decoded pairs of a query string or an application/x-www-form-urlencoded body; at most 256.
Result<std::vector<std::pair<std::string, std::string>>> ParseQuery(std::string_view query);

/// An absolute http or https URL.
struct Url {
  std::string scheme;  ///< lower case
  std::string host;    ///< lower case, without brackets
  std::uint16_t port = 0;
  std::string target;  ///< path and query, at least "/"
  bool host_is_ipv6 = false;
  /// "host" or "host:port" as a Host header has it.
  std::string Authority() const;
};
/// INVALID_ARGUMENT with the reason for anything but scheme://host[:port][/…]; user names are
/// refused, a fragment is dropped.
Result<Url> ParseUrl(std::string_view url);
/// `location` seen from `base`: absolute, //host/…, /path or relative.
Result<Url> ResolveUrl(const Url& base, std::string_view location);

}  // namespace tessera
