#pragma once
// Servers that the operator has named: sinks, collectors, receivers of alerts.

#include <string>

#include "net/http_client.h"

namespace tessera {

/// For one request at a time to the server of `url`, which may be at a private address. A `url`
/// that is none is refused when it is asked for. `reply_bytes_max`: of a reply's body.
HttpClientConfig NamedServerConfig(const std::string& url, std::string ca_file, Duration timeout,
                                   std::uint64_t reply_bytes_max);

}  // namespace tessera
