#pragma once
// Where a contract is served, as its callers are told.

#include <cstdint>
#include <string>

namespace tessera {

struct MeshEndpoint {
  std::string address;         ///< see ParseStreamAddress()
  std::uint32_t weight = 1;    ///< share of the calls within its priority; 0 counts as 1
  std::uint32_t priority = 0;  ///< 0 is used first: the own group or zone
  /// Who must be there, as RemoteChannelConfig::expected_peer; empty: whoever that names.
  std::string peer = {};

  bool operator==(const MeshEndpoint&) const = default;
};

}  // namespace tessera
