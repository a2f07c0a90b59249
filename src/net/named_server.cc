#include "net/named_server.h"

#include <utility>

#include "net/uri.h"

namespace tessera {

HttpClientConfig NamedServerConfig(const std::string& url, std::string ca_file, Duration timeout,
                                   std::uint64_t reply_bytes_max) {
  HttpClientConfig config;
  const Result<Url> named = ParseUrl(url);
  if (named.ok()) config.policy.trusted_hosts.push_back(named->Authority());
  config.connect_timeout = timeout;
  config.head_timeout = timeout;
  config.stall_timeout = timeout;
  config.reply_bytes_max = reply_bytes_max;
  config.redirects_max = 0;
  config.idle_connections_max = 1;
  config.ca_file = std::move(ca_file);
  return config;
}

}  // namespace tessera
