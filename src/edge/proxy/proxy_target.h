#pragma once
// Somebody who can answer a public route.

#include <memory>
#include <string>

#include "edge/proxy/proxy_config.h"
#include "edge/router_http.h"
#include "net/http_client.h"

namespace tessera {

/// A request that can be sent more than once.
struct ProxyCall {
  HttpMethod method = HttpMethod::kGet;
  std::string path;
  std::string query;
  HttpHeaders headers;
  std::vector<std::pair<std::string, std::string>> params;
  std::string body;

  /// Of one whose body is no stream.
  static ProxyCall Of(const HttpRequest& request);
  HttpRequest ToRequest() const;
};

/// Thread-safe. Its reply's stream, if it has one, comes as it is sent.
class ProxyTarget {
 public:
  /// `handler`: of the route or of a contract's method; null for one over HTTP.
  static Result<std::unique_ptr<const ProxyTarget>> Make(ProxyTargetConfig config,
                                                         RouteHandler handler,
                                                         std::uint64_t reply_bytes_max,
                                                         IoLoops& loops);
  const ProxyTargetConfig& config() const { return config_; }

  Task<Result<HttpReply>> Call(Ctx ctx, HttpRequest request) const;

 private:
  ProxyTarget(ProxyTargetConfig config, RouteHandler handler, Reshape request, Reshape reply,
              std::shared_ptr<HttpClient> http, std::uint64_t reply_bytes_max);
  Task<Result<HttpReply>> CallHttp(Ctx ctx, HttpRequest request) const;
  std::string UrlOf(const HttpRequest& request) const;
  Status Unreachable(const Ctx& ctx, const Status& status) const;

  const ProxyTargetConfig config_;
  const RouteHandler handler_;
  const Reshape request_;
  const Reshape reply_;
  const std::shared_ptr<HttpClient> http_;
  const std::uint64_t reply_bytes_max_;
};

}  // namespace tessera
