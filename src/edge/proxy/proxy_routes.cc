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

ProxyRoutes::SwitchedPtr ProxyRoutes::Slot::Now() {
  if (!switched.load(std::memory_order_acquire)) return nullptr;
  std::lock_guard lock(mutex);
  return now;
}

void ProxyRoutes::Slot::Set(SwitchedPtr next) {
  std::lock_guard lock(mutex);
  now.swap(next);  // the one before goes when its last request has ended
  switched.store(now != nullptr, std::memory_order_release);
}

Task<Result<HttpReply>> ProxyRoutes::Answer(SwitchedPtr self, Ctx ctx, HttpRequest request) {
  // A form with files is the route's own: it cannot be sent twice, nor reshaped.
  if (request.stream) co_return co_await self->own(std::move(ctx), std::move(request));
  const std::size_t chosen = self->Choose(ctx);
  self->counters[chosen]->Add();
  const bool mirrored = self->mirror && self->mirror->Wants();
  ProxyCall copy = mirrored ? ProxyCall::Of(request) : ProxyCall();
  Result<HttpReply> reply = co_await self->targets[chosen]->Call(ctx, std::move(request));
  if (mirrored) self->mirror->Send(ctx, std::move(copy), MirroredReply::Of(reply), self);
  co_return reply;
}

Result<RouteHandler> ProxyRoutes::HandlerOf(const ProxyTargetConfig& target,
                                            const Slot& slot) const {
  if (!target.http.empty() && !target.method.empty())
    return absl::InvalidArgumentError(
        StrCat("the target \"", target.name, "\" cannot have both http and method"));
  if (!target.http.empty()) return RouteHandler();
  if (target.method.empty()) return slot.own;
  for (const MethodBinding& binding : *parts_.bindings) {
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

Status ProxyRoutes::AddTargets(const ProxyRouteConfig& config, const Slot& slot,
                               Switched* switched) const {
  for (const ProxyTargetConfig& target : config.targets) {
    for (const auto& other : switched->targets) {
      if (other->config().name == target.name)
        return absl::InvalidArgumentError(StrCat("two targets are called \"", target.name, "\""));
    }
    TRY(RouteHandler handler, HandlerOf(target, slot));
    TRY(auto made, ProxyTarget::Make(target, std::move(handler), config_.reply_bytes_max.count,
                                     *parts_.loops));
    switched->targets.push_back(std::move(made));
    switched->weights += target.weight;
    switched->counters.push_back(&Metrics::Process().NewCounter(
        "tessera_facade_requests_total", "Requests of public routes by the target that answered.",
        {{"route", config.route}, {"target", target.name}}));
  }
  if (switched->weights == 0) return absl::InvalidArgumentError("no target has a weight above 0");
  return absl::OkStatus();
}

Result<ProxyRoutes::SwitchedPtr> ProxyRoutes::Make(const ProxyRouteConfig& config,
                                                   const Slot& slot) const {
  if (slot.takes_files)
    return absl::InvalidArgumentError("this route takes files; only its own handler can");
  auto switched = std::make_shared<Switched>();
  switched->flag = config.flag;
  switched->own = slot.own;
  TRY(AddTargets(config, slot, switched.get()));
  if (config.mirror) {
    const auto on_trial = std::find_if(
        switched->targets.begin(), switched->targets.end(),
        [&](const auto& target) { return target->config().name == config.mirror->target; });
    if (on_trial == switched->targets.end())
      return absl::InvalidArgumentError(
          StrCat("mirror.target: there is no target \"", config.mirror->target, "\""));
    TRY(switched->mirror,
        Mirror::Make(config.route, *config.mirror, **on_trial, background_, *parts_.executor));
  }
  return SwitchedPtr(std::move(switched));
}

Status ProxyRoutes::Add(const std::vector<ProxyRouteConfig>& routes, Choice* choice) const {
  choice->resize(slots_.size());
  for (const ProxyRouteConfig& route : routes) {
    const auto slot = std::find_if(slots_.begin(), slots_.end(),
                                   [&](const auto& one) { return one->name == route.route; });
    const Result<SwitchedPtr> made =
        slot == slots_.end()
            ? absl::InvalidArgumentError("there is no such route; docs/api.md has them all")
            : Make(route, **slot);
    if (!made.ok())
      return absl::InvalidArgumentError(
          StrCat("routes[\"", route.route, "\"]: ", StdView(made.status().message())));
    (*choice)[static_cast<std::size_t>(slot - slots_.begin())] = *made;
  }
  return absl::OkStatus();
}

Status ProxyRoutes::Check(const std::vector<ProxyRouteConfig>& routes) const {
  Choice choice;
  return Add(routes, &choice);
}

Status ProxyRoutes::Follow(const std::vector<ProxyRouteConfig>& routes) {
  Choice choice;
  TRY(Add(config_.routes, &choice));
  TRY(Add(routes, &choice));
  for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i]->Set(std::move(choice[i]));
  return absl::OkStatus();
}

void ProxyRoutes::TakePlaces() {
  for (const auto& route : parts_.routes->all()) {
    auto slot = std::make_unique<Slot>();
    slot->name = StrCat(Name(route->method), " ", route->pattern);
    slot->own = route->handler;
    slot->takes_files = route->body == BodyKind::kStreamed;
    if (!slot->takes_files) {
      route->handler = [at = slot.get()](Ctx ctx, HttpRequest request) {
        SwitchedPtr now = at->Now();
        if (!now) return at->own(std::move(ctx), std::move(request));
        return Answer(std::move(now), std::move(ctx), std::move(request));
      };
    }
    slots_.push_back(std::move(slot));
  }
}

std::string ProxyRoutes::MirrorsJson() const {
  JsonWriter json;
  json.BeginObject().Key("mirrors").BeginArray();
  for (const auto& slot : slots_) {
    const SwitchedPtr now = slot->Now();
    if (now && now->mirror) now->mirror->Write(json);
  }
  json.EndArray().EndObject();
  return json.Take();
}

void ProxyRoutes::AddMirrorsRoute() {
  Route mirrors;
  mirrors.pattern = "/admin/v1/mirrors";
  mirrors.scope = "admin";
  mirrors.doc.summary = "targets on trial: how often their answers differed, and where";
  mirrors.doc.tag = "system";
  mirrors.handler = [this](Ctx, HttpRequest) { return ReplyWith(MirrorsJson()); };
  parts_.routes->Add(std::move(mirrors));
}

Result<std::unique_ptr<ProxyRoutes>> ProxyRoutes::Install(const ProxyConfig& config, Parts parts) {
  std::unique_ptr<ProxyRoutes> proxies(new ProxyRoutes(config, parts));
  proxies->TakePlaces();
  proxies->AddMirrorsRoute();
  const Status followed = proxies->Follow({});
  if (!followed.ok())
    return absl::InvalidArgumentError(StrCat("facades.", StdView(followed.message())));
  return proxies;
}

}  // namespace tessera
