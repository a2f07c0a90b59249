#pragma once
// Section `facades` of the configuration: who answers a public route.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"
#include "edge/proxy/reshape.h"

namespace tessera {

/// Neither `http` nor `method`: the route's own handler.
struct ProxyTargetConfig {
  std::string name;
  std::string http;    ///< "http://opea:8888/v1/chatqna"; {name} is a segment of the route
  std::string method;  ///< "tessera.v1.Orchestration.Search"
  std::uint32_t weight = 1;
  std::map<std::string, Secret> headers;
  ReshapeConfig request;
  ReshapeConfig reply;
  std::chrono::milliseconds timeout = std::chrono::seconds(120);
  static void Describe(Fields<ProxyTargetConfig>& f);
};

struct MirrorConfig {
  std::string target;
  double percent = 100;
  bool compare = true;
  std::vector<std::string> ignore;
  std::uint32_t in_flight_max = 32;
  static void Describe(Fields<MirrorConfig>& f);
};

struct ProxyRouteConfig {
  std::string route;  ///< "POST /v1/chat/completions"
  std::vector<ProxyTargetConfig> targets;
  std::string flag;  ///< its variants are names of targets
  std::optional<MirrorConfig> mirror;
  static void Describe(Fields<ProxyRouteConfig>& f);
};

struct ProxyConfig {
  std::vector<ProxyRouteConfig> routes;
  Bytes reply_bytes_max{std::uint64_t{16} << 20};
  static void Describe(Fields<ProxyConfig>& f);
};

}  // namespace tessera
