#include "edge/origin.h"

#include <algorithm>

#include "base/str.h"

namespace tessera {
namespace {

// "[::1]:80" → "[::1]", "localhost:80" → "localhost".
std::string_view WithoutPort(std::string_view host) {
  if (!host.empty() && host.front() == '[') return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool IsSafe(HttpMethod method) {
  return method == HttpMethod::kGet || method == HttpMethod::kHead ||
         method == HttpMethod::kOptions;
}

}  // namespace

std::vector<std::string> OriginPolicy::LoopbackHosts() {
  return {"localhost", "127.0.0.1", "[::1]"};
}

bool OriginPolicy::HostIsAllowed(const HttpRequest& request) const {
  if (options_.hosts.empty()) return true;
  const std::string_view host = WithoutPort(request.headers.Get("host"));
  return std::any_of(options_.hosts.begin(), options_.hosts.end(),
                     [host](const std::string& name) { return EqualsIgnoreCase(name, host); });
}

bool OriginPolicy::IsSameOrigin(const HttpRequest& request, bool need_proof) const {
  if (IsSafe(request.method)) return true;
  const std::string_view origin = request.headers.Get("origin");
  if (origin.empty()) {
    // Older browsers leave Origin out of same-origin requests; all new ones send this instead.
    const std::string_view site = request.headers.Get("sec-fetch-site");
    if (site.empty()) return !need_proof;
    return site == "same-origin" || site == "none";
  }
  const std::size_t scheme = origin.find("://");
  return scheme != std::string_view::npos &&
         EqualsIgnoreCase(origin.substr(scheme + 3), request.headers.Get("host"));
}

bool OriginPolicy::IsAllowedOrigin(const HttpRequest& request) const {
  const std::string_view origin = request.headers.Get("origin");
  if (origin.empty()) return false;
  return std::any_of(options_.cors_origins.begin(), options_.cors_origins.end(),
                     [origin](const std::string& allowed) {
                       return allowed == "*" || EqualsIgnoreCase(allowed, origin);
                     });
}

HttpReply OriginPolicy::Preflight(const HttpRequest& request, std::string_view allow) const {
  HttpReply reply = HttpReply::Empty(204);
  reply.headers.Add("access-control-allow-methods", allow);
  const std::string_view wanted = request.headers.Get("access-control-request-headers");
  if (!wanted.empty() && wanted.size() < 1024) {
    reply.headers.Add("access-control-allow-headers", wanted);
  }
  reply.headers.Add("access-control-max-age", "600");
  AddHeaders(request.headers.Get("origin"), reply);
  return reply;
}

void OriginPolicy::AddHeaders(std::string_view origin, HttpReply& reply) const {
  const bool all = std::find(options_.cors_origins.begin(), options_.cors_origins.end(), "*") !=
                   options_.cors_origins.end();
  reply.headers.Add("access-control-allow-origin", all ? "*" : origin);
  reply.headers.Add("access-control-expose-headers", "x-request-id, retry-after");
  if (!all) reply.headers.Add("vary", "origin");
}

}  // namespace tessera
