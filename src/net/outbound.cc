#include "net/outbound.h"

#include <algorithm>
#include <array>

#include <boost/asio/ip/address.hpp>

#include "base/str.h"

namespace tessera {
namespace {

using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

struct Range4 {
  std::uint32_t network;
  int bits;
};
// IANA's IPv4 special-purpose registry, and multicast.
constexpr Range4 kSpecial4[] = {
    {0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
    {0xAC100000, 12}, {0xC0000000, 24}, {0xC0000200, 24}, {0xC0586300, 24}, {0xC0A80000, 16},
    {0xC6120000, 15}, {0xC6336400, 24}, {0xCB007100, 24}, {0xE0000000, 4},  {0xF0000000, 4},
};

bool IsPublic(std::uint32_t v4) {
  return std::none_of(std::begin(kSpecial4), std::end(kSpecial4), [v4](const Range4& range) {
    return (v4 ^ range.network) >> (32 - range.bits) == 0;
  });
}

std::uint32_t V4At(const address_v6::bytes_type& bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at]) << 24 |
         static_cast<std::uint32_t>(bytes[at + 1]) << 16 |
         static_cast<std::uint32_t>(bytes[at + 2]) << 8 | bytes[at + 3];
}

bool IsPublic(const address_v6& v6) {
  const address_v6::bytes_type bytes = v6.to_bytes();
  const auto begins = [&bytes](std::initializer_list<unsigned char> prefix) {
    return std::equal(prefix.begin(), prefix.end(), bytes.begin());
  };
  if (v6.is_v4_mapped()) return IsPublic(V4At(bytes, 12));
  if (begins({0x00, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0})) return IsPublic(V4At(bytes, 12));
  if (begins({0x20, 0x02})) return IsPublic(V4At(bytes, 2));  // 6to4
  if (begins({0x20, 0x01, 0x0D, 0xB8})) return false;         // documentation
  if (begins({0x20, 0x01}) && bytes[2] < 2) return false;     // 2001::/23: Teredo and the like
  if (begins({0x3F, 0xFF}) && bytes[2] < 0x10) return false;  // 3fff::/20: documentation
  return (bytes[0] & 0xE0) == 0x20;                           // 2000::/3 is what is given out
}

bool IsTrusted(const OutboundPolicy& policy, const Url& url) {
  const std::string host = url.host_is_ipv6 ? StrCat("[", url.host, "]") : url.host;
  const std::string host_port = StrCat(host, ":", url.port);
  return std::any_of(
      policy.trusted_hosts.begin(), policy.trusted_hosts.end(), [&](const std::string& trusted) {
        return EqualsIgnoreCase(trusted, host) || EqualsIgnoreCase(trusted, host_port);
      });
}

}  // namespace

bool IsPublicAddress(std::string_view address) {
  boost::system::error_code error;
  const auto parsed = boost::asio::ip::make_address(std::string(address), error);
  if (error) return false;
  return parsed.is_v4() ? IsPublic(parsed.to_v4().to_uint()) : IsPublic(parsed.to_v6());
}

Status OutboundPolicy::CheckUrl(const Url& url) const {
  if (url.scheme == "http" && !allow_http && !IsTrusted(*this, url)) {
    return absl::PermissionDeniedError("only https URLs may be fetched");
  }
  return absl::OkStatus();
}

Status OutboundPolicy::CheckAddress(const Url& url, std::string_view address) const {
  if (allow_private || IsPublicAddress(address) || IsTrusted(*this, url)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      StrCat(url.host.substr(0, 100),
             " leads to an address that is not public; an operator can allow the host in the "
             "configuration"));
}

}  // namespace tessera
