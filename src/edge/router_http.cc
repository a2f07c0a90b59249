#include "edge/router_http.h"

#include <algorithm>

namespace tessera {

// A tree by path segments; named segments are tried after literal ones.
struct HttpRoutes::Node {
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> literals;
  std::unique_ptr<Node> named;
  std::vector<std::pair<HttpMethod, const Route*>> routes;
  std::vector<std::pair<HttpMethod, const Route*>> rest_routes;  // {name*}

  Node* Literal(std::string_view segment) {
    for (auto& [name, node] : literals) {
      if (name == segment) return node.get();
    }
    return nullptr;
  }

  static const std::vector<std::pair<HttpMethod, const Route*>>* Find(const Node& node,
                                                                      std::string_view path) {
    if (path.empty()) return node.routes.empty() ? nullptr : &node.routes;
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(1, end - 1);
    for (const auto& [name, child] : node.literals) {
      if (name != segment) continue;
      if (const auto* found = Find(*child, path.substr(end))) return found;
    }
    if (node.named && !segment.empty()) {
      if (const auto* found = Find(*node.named, path.substr(end))) return found;
    }
    return node.rest_routes.empty() ? nullptr : &node.rest_routes;
  }
};

namespace {

bool IsNamed(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}
bool IsRest(std::string_view segment) {
  return IsNamed(segment) && segment[segment.size() - 2] == '*';
}

std::vector<std::string_view> Segments(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    segments.push_back(path.substr(1, end - 1));
    path.remove_prefix(end);
  }
  return segments;
}

void FillParams(std::string_view pattern, std::string_view path,
                std::vector<std::pair<std::string, std::string>>& params) {
  while (!pattern.empty()) {
    const std::size_t pattern_end = std::min(pattern.find('/', 1), pattern.size());
    const std::size_t path_end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = pattern.substr(1, pattern_end - 1);
    if (IsRest(segment)) {
      params.emplace_back(segment.substr(1, segment.size() - 3), path.substr(1));
      return;
    }
    if (IsNamed(segment)) {
      params.emplace_back(segment.substr(1, segment.size() - 2), path.substr(1, path_end - 1));
    }
    pattern.remove_prefix(pattern_end);
    path.remove_prefix(path_end);
  }
}

std::string AllowOf(const std::vector<std::pair<HttpMethod, const Route*>>& routes) {
  std::string allow;
  for (const auto& [method, route] : routes) {
    allow.append(Name(method)).append(method == HttpMethod::kGet ? ", HEAD, " : ", ");
  }
  return allow.append("OPTIONS");
}

}  // namespace

HttpRoutes::HttpRoutes() : root_(std::make_unique<Node>()) {}
HttpRoutes::~HttpRoutes() = default;
HttpRoutes::HttpRoutes(HttpRoutes&&) noexcept = default;
HttpRoutes& HttpRoutes::operator=(HttpRoutes&&) noexcept = default;

void HttpRoutes::Add(Route route) {
  CHECK(route.open || !route.scope.empty());
  CHECK(route.handler != nullptr);
  CHECK(!route.pattern.empty() && route.pattern.front() == '/');
  routes_.push_back(std::make_unique<Route>(std::move(route)));
  const Route* added = routes_.back().get();
  Node* node = root_.get();
  const std::vector<std::string_view> segments = Segments(added->pattern);
  bool rest = false;
  for (const std::string_view segment : segments) {
    CHECK(!rest);  // {name*} is the last one
    rest = IsRest(segment);
    if (rest) break;
    if (IsNamed(segment)) {
      if (!node->named) node->named = std::make_unique<Node>();
      node = node->named.get();
      continue;
    }
    Node* next = node->Literal(segment);
    if (next == nullptr) {
      node->literals.emplace_back(std::string(segment), std::make_unique<Node>());
      next = node->literals.back().second.get();
    }
    node = next;
  }
  auto& routes = rest ? node->rest_routes : node->routes;
  for (const auto& [method, other] : routes) CHECK(method != added->method);
  routes.emplace_back(added->method, added);
}

void HttpRoutes::SetFallback(Route route) { fallback_ = std::make_unique<Route>(std::move(route)); }

HttpRoutes::Match HttpRoutes::Find(HttpMethod method, std::string_view path,
                                   std::vector<std::pair<std::string, std::string>>& params) const {
  Match match;
  const HttpMethod wanted = method == HttpMethod::kHead ? HttpMethod::kGet : method;
  const auto* routes = Node::Find(*root_, path);
  if (routes == nullptr) {
    const bool api = path.starts_with("/api/") || path.starts_with("/v1/");
    if (fallback_ && wanted == HttpMethod::kGet && !api) match.route = fallback_.get();
    return match;
  }
  match.errors = routes->front().second->errors;
  for (const auto& [candidate, route] : *routes) {
    if (candidate != method && candidate != wanted) continue;
    match.route = route;
    if (candidate == method) break;
  }
  if (match.route == nullptr) {
    match.allow = AllowOf(*routes);
    return match;
  }
  if (match.route->pattern.find('{') != std::string::npos) {
    FillParams(match.route->pattern, path, params);
  }
  return match;
}

}  // namespace tessera
