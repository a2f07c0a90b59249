#include "edge/proxy/proxy_config.h"

namespace tessera {

void ProxyTargetConfig::Describe(Fields<ProxyTargetConfig>& f) {
  f.Required("name", &ProxyTargetConfig::name, "What it is called in figures and flags.");
  f.Optional("http", &ProxyTargetConfig::http,
             "An HTTP endpoint, as http://host:port/path; {name} is that segment of the route.");
  f.Optional("method", &ProxyTargetConfig::method,
             "A method of a contract, such as tessera.v1.Orchestration.Search. Neither this nor "
             "http: the route's own handler.");
  f.Optional("weight", &ProxyTargetConfig::weight, "Its part of the requests, against the others'.",
             0U, 1'000'000U);
  f.Optional("headers", &ProxyTargetConfig::headers,
             "Sent with each request to http, keys for example; callers' keys are not.");
  f.Optional("request", &ProxyTargetConfig::request, "From the public request to the target's.");
  f.Optional("reply", &ProxyTargetConfig::reply,
             "From the target's reply to the public one; not of streams and errors.");
  f.Optional("timeout", &ProxyTargetConfig::timeout,
             "Longest time until an HTTP endpoint has replied, or its stream has begun.");
}

void MirrorConfig::Describe(Fields<MirrorConfig>& f) {
  f.Required("target", &MirrorConfig::target, "The target that gets a copy of requests.");
  f.Optional("percent", &MirrorConfig::percent, "Of the requests.", 0.0, 100.0);
  f.Optional("compare", &MirrorConfig::compare, "Whether its replies are compared.");
  f.Optional("ignore", &MirrorConfig::ignore,
             "JSON pointers that may differ; \"*\" is every element of a list.");
  f.Optional("in_flight_max", &MirrorConfig::in_flight_max,
             "Copies at once; requests beyond are not mirrored.", 1U, 10'000U);
}

void ProxyRouteConfig::Describe(Fields<ProxyRouteConfig>& f) {
  f.Required("route", &ProxyRouteConfig::route,
             "A route as docs/api.md has it: POST /v1/chat/completions.");
  f.Required("targets", &ProxyRouteConfig::targets, "Who answers.");
  f.Optional("flag", &ProxyRouteConfig::flag,
             "A feature flag whose variants are names of targets: it chooses, instead of the "
             "weights.");
  f.Optional("mirror", &ProxyRouteConfig::mirror, "A target that is tried beside the others.");
}

void ProxyConfig::Describe(Fields<ProxyConfig>& f) {
  f.Optional("routes", &ProxyConfig::routes, "Public routes that others answer.");
  f.Optional("reply_bytes_max", &ProxyConfig::reply_bytes_max,
             "Most bytes of a reply that is no stream.");
}

}  // namespace tessera
