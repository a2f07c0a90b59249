#include "edge/proxy/proxy_routes.h"

#include <algorithm>

#include <google/protobuf/descriptor.h>

#include "base/ids.h"
#include "base/str.h"
#include "edge/rest.h"
#include "flags/flags.h"

namespace tessera {
namespace {

// Segments of the route that the method does not know are not for it.
Task<Result<HttpReply>> CallMethod(RouteHandler handler,
                                   const google::protobuf::Descriptor* request_type, Ctx ctx,
                                   HttpRequest request) {
  std::erase_if(request.params, [request_type](const auto& param) {
    return request_type->FindFieldByName(param.first) == nullptr;
  });
  return handler(std::move(ctx), std::move(request));
}

Task<Result<HttpReply>> ReplyWith(std::string json) {
  co_return HttpReply::Json(200, std::move(json));
}

}  // namespace

std::size_t ProxyRoutes::Switched::Choose(const Ctx& ctx) const {
  if (!flag.empty()) {
    const std::string wanted = FlagVariantOf(ctx, flag);
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (targets[i]->config().name == wanted) return i;
    }
  }
  std::uint64_t draw = RandomId() % weights;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::uint32_t weight = targets[i]->config().weight;
    if (draw < weight) return i;
    draw -= weight;
  }
  return 0;
}

Task<Result<HttpReply>> ProxyRoutes::Switched::Handle(Ctx ctx, HttpRequest request) const {
  // A form with files is the route's own: it cannot be sent twice, nor reshaped.
  if (request.stream) co_return co_await own(std::move(ctx), std::move(request));
  const std::size_t chosen = Choose(ctx);
  counters[chosen]->Add();
  const bool mirrored = mirror && mirror->Wants();
  ProxyCall copy = mirrored ? ProxyCall::Of(request) : ProxyCall();
  Result<HttpReply> reply = co_await targets[chosen]->Call(ctx, std::move(request));
  if (mirrored) mirror->Send(ctx, std::move(copy), MirroredReply::Of(reply));
  co_return reply;
}

Result<RouteHandler> ProxyRoutes::HandlerOf(const ProxyTargetConfig& target, const Route& route,
                                            const Parts& parts) {
  if (!target.http.empty() && !target.method.empty())
    return absl::InvalidArgumentError(
        StrCat("the target \"", target.name, "\" cannot have both http and method"));
  if (!target.http.empty()) return RouteHandler();
  if (target.method.empty()) return route.handler;
  for (const MethodBinding& binding : *parts.bindings) {
    if (binding.info->full_name != target.method) continue;
    const auto* const type = binding.request->GetDescriptor();
    RouteHandler handler = RestHandler(binding);
    return RouteHandler([handler, type](Ctx ctx, HttpRequest request) {
      return CallMethod(handler, type, std::move(ctx), std::move(request));
    });
  }
  return absl::InvalidArgumentError(
      StrCat("the target \"", target.name, "\": there is no method ", target.method));
}

Status ProxyRoutes::AddTargets(const ProxyRouteConfig& config, const Route& route,
                               const Parts& parts, std::uint64_t reply_bytes_max,
                               Switched* switched) {
  for (const ProxyTargetConfig& target : config.targets) {
    for (const auto& other : switched->targets) {
      if (other->config().name == target.name)
        return absl::InvalidArgumentError(StrCat("two targets are called \"", target.name, "\""));
    }
    TRY(RouteHandler handler, HandlerOf(target, route, parts));
    TRY(auto made, ProxyTarget::Make(target, std::move(handler), reply_bytes_max, *parts.loops));
    switched->targets.push_back(std::move(made));
    switched->weights += target.weight;
    switched->counters.push_back(&Metrics::Process().NewCounter(
        "tessera_facade_requests_total", "Requests of public routes by the target that answered.",
        {{"route", config.route}, {"target", target.name}}));
  }
  if (switched->weights == 0) return absl::InvalidArgumentError("no target has a weight above 0");
  return absl::OkStatus();
}

Status ProxyRoutes::Switch(const ProxyRouteConfig& config, const Parts& parts,
                           std::uint64_t reply_bytes_max) {
  const auto& all = parts.routes->all();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& route) {
    return StrCat(Name(route->method), " ", route->pattern) == config.route;
  });
  if (found == all.end())
    return absl::InvalidArgumentError("there is no such route; docs/api.md has them all");
  Route& route = **found;
  if (route.body == BodyKind::kStreamed)
    return absl::InvalidArgumentError("this route takes files; only its own handler can");
  auto switched = std::make_unique<Switched>();
  switched->flag = config.flag;
  switched->own = route.handler;
  TRY(AddTargets(config, route, parts, reply_bytes_max, switched.get()));
  if (config.mirror) {
    const auto on_trial = std::find_if(
        switched->targets.begin(), switched->targets.end(),
        [&](const auto& target) { return target->config().name == config.mirror->target; });
    if (on_trial == switched->targets.end())
      return absl::InvalidArgumentError(
          StrCat("mirror.target: there is no target \"", config.mirror->target, "\""));
    TRY(switched->mirror,
        Mirror::Make(config.route, *config.mirror, **on_trial, background_, *parts.executor));
  }
  route.handler = [self = switched.get()](Ctx ctx, HttpRequest request) {
    return self->Handle(std::move(ctx), std::move(request));
  };
  switched_.push_back(std::move(switched));
  return absl::OkStatus();
}

std::string ProxyRoutes::MirrorsJson() const {
  JsonWriter json;
  json.BeginObject().Key("mirrors").BeginArray();
  for (const auto& one : switched_) {
    if (one->mirror) one->mirror->Write(json);
  }
  json.EndArray().EndObject();
  return json.Take();
}

Result<std::unique_ptr<ProxyRoutes>> ProxyRoutes::Install(const ProxyConfig& config, Parts parts) {
  auto proxies = std::make_unique<ProxyRoutes>();
  for (const ProxyRouteConfig& route : config.routes) {
    const Status switched = proxies->Switch(route, parts, config.reply_bytes_max.count);
    if (!switched.ok())
      return absl::InvalidArgumentError(
          StrCat("facades.routes[\"", route.route, "\"]: ", StdView(switched.message())));
  }
  Route mirrors;
  mirrors.pattern = "/admin/v1/mirrors";
  mirrors.scope = "admin";
  mirrors.doc.summary = "targets on trial: how often their answers differed, and where";
  mirrors.doc.tag = "system";
  mirrors.handler = [self = proxies.get()](Ctx, HttpRequest) {
    return ReplyWith(self->MirrorsJson());
  };
  parts.routes->Add(std::move(mirrors));
  return proxies;
}

}  // namespace tessera
