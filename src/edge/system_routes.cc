#include "edge/system_routes.h"

#include <algorithm>
#include <memory>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "edge/api_error.h"
#include "edge/proto_json.h"
#include "net/header_values.h"

namespace tessera {
namespace {

using Handle = Task<Result<HttpReply>>;

// OpenMetrics is for those who name it, and weigh it no less than plain text.
ExpositionFormat ChooseExposition(std::string_view accept) {
  int open_metrics = 0;
  int plain = 0;
  for (const Weighted& item : ParseWeightedList(accept)) {
    if (item.value == "application/openmetrics-text")
      open_metrics = std::max(open_metrics, item.weight);
    if (item.value == "text/plain") plain = std::max(plain, item.weight);
  }
  return open_metrics > 0 && open_metrics >= plain ? ExpositionFormat::kOpenMetrics
                                                   : ExpositionFormat::kPrometheus;
}

class SystemRoutes {
 public:
  SystemRoutes(SystemInfo info, Authenticator& authenticator,
               std::function<const std::string&()> openapi)
      : info_(std::move(info)), authenticator_(authenticator), openapi_(std::move(openapi)) {}

  Handle Live() const { co_return HttpReply::Json(200, R"({"status":"live"})"); }

  Handle Ready() const {
    const HealthReport report = info_.health();
    HttpReply reply = HttpReply::Json(report.ready() ? 200 : 503, report.ToJson());
    reply.headers.Add("cache-control", "no-store");
    co_return reply;
  }

  Handle MetricsText(Ctx ctx, HttpRequest request) const {
    const ExpositionFormat format = ChooseExposition(request.headers.Get("accept"));
    std::string text = co_await info_.figures(std::move(ctx), format);
    HttpReply reply = HttpReply::Text(200, std::move(text), ContentTypeOf(format));
    reply.headers.Add("vary", "accept");
    co_return reply;
  }

  Handle OpenApi() const { co_return HttpReply::Json(200, openapi_()); }

  Handle System(Ctx ctx) const {
    JsonWriter json;
    json.BeginObject().Field("name", "tessera").Field("version", info_.version);
    json.Field("uptime_s",
               std::chrono::duration_cast<std::chrono::seconds>(Now() - info_.started).count());
    json.Field("auth", !authenticator_.no_auth());
    if (info_.inference != nullptr) {
      v1::ListModelsRequest request;
      CO_TRY(const v1::ListModelsReply models,
             co_await info_.inference->ListModels(ctx, std::move(request)));
      WriteModels(models, json);
    }
    if (info_.retrieval != nullptr) {
      v1::ListCollectionsRequest request;
      CO_TRY(const v1::ListCollectionsReply reply,
             co_await info_.retrieval->ListCollections(ctx, std::move(request)));
      json.Key("collections").BeginArray();
      for (const v1::Collection& collection : reply.collections()) WriteMessage(collection, json);
      json.EndArray();
    }
    json.EndObject();
    co_return HttpReply::Json(200, json.Take());
  }

  // The one-time link: a browser ends up on the page with a session.
  Handle Login(HttpRequest request) const {
    const std::string token = request.Query("token").value_or("");
    const auto session = authenticator_.LogIn(token);
    if (!session.ok()) {
      co_return HttpReply::Redirect(303, "/?login=expired");
    }
    HttpReply reply = HttpReply::Redirect(303, "/");
    reply.headers.Add("set-cookie", authenticator_.CookieHeader(*session));
    co_return reply;
  }

  Handle NewSession(HttpRequest request) const {
    CO_TRY(const JsonDocument document, JsonDocument::Parse(std::move(request.body)));
    JsonErrors errors;
    JsonFields fields(document.root(), "", errors);
    std::string key;
    if (!fields.String("key", &key, 512) && errors.ok()) fields.Require("key");
    fields.Finish();
    CO_TRY(errors.status());
    CO_TRY(const std::string session, authenticator_.LogIn(key));
    HttpReply reply = HttpReply::Empty(204);
    reply.headers.Add("set-cookie", authenticator_.CookieHeader(session));
    co_return reply;
  }

  Handle EndSession(HttpRequest request) const {
    authenticator_.LogOut(request);
    HttpReply reply = HttpReply::Empty(204);
    reply.headers.Add("set-cookie", authenticator_.CookieHeader(""));
    co_return reply;
  }

 private:
  static void WriteModels(const v1::ListModelsReply& models, JsonWriter& json) {
    bool demo = false;
    std::string language;
    std::string embedder;
    json.Key("models").BeginArray();
    for (const v1::Model& model : models.models()) {
      WriteMessage(model, json);
      if (!model.is_default()) continue;
      if (model.kind() == v1::MODEL_KIND_LANGUAGE) {
        language = model.name();
        demo = model.demo();
      }
      if (model.kind() == v1::MODEL_KIND_EMBEDDER) embedder = model.name();
    }
    json.EndArray();
    json.Field("default_model", language).Field("demo", demo).Field("embedder", embedder);
  }

  const SystemInfo info_;
  Authenticator& authenticator_;
  const std::function<const std::string&()> openapi_;
};

Route Open(HttpMethod method, std::string pattern, std::string summary) {
  Route route;
  route.method = method;
  route.pattern = std::move(pattern);
  route.open = true;
  route.doc.summary = std::move(summary);
  route.doc.tag = "system";
  return route;
}

}  // namespace

void AddSystemRoutes(SystemInfo info, Authenticator& authenticator,
                     std::function<const std::string&()> openapi, HttpRoutes& routes) {
  const auto self =
      std::make_shared<const SystemRoutes>(std::move(info), authenticator, std::move(openapi));
  Route live = Open(HttpMethod::kGet, "/health/live", "whether the process works");
  live.handler = [self](Ctx, HttpRequest) { return self->Live(); };
  routes.Add(live);
  Route startup = Open(HttpMethod::kGet, "/health/startup",
                       "that everything is loaded: the process listens no sooner");
  startup.handler = live.handler;
  routes.Add(startup);
  Route ready = Open(HttpMethod::kGet, "/health/ready",
                     "whether calls can be served, and what stands in the way: 200 or 503");
  ready.doc.reply_example =
      R"({"status": "degraded", "checks": [{"name": "inference", "status": "warning", "reason": "1 of 2 instances take calls"}, {"name": "disk", "status": "good"}]})";
  ready.handler = [self](Ctx, HttpRequest) { return self->Ready(); };
  routes.Add(ready);

  Route metrics =
      Open(HttpMethod::kGet, "/metrics",
           "figures as Prometheus text, or as OpenMetrics with exemplars where that is asked for");
  metrics.open = false;
  metrics.scope = "metrics.read";
  metrics.handler = [self](Ctx ctx, HttpRequest request) {
    return self->MetricsText(std::move(ctx), std::move(request));
  };
  metrics.doc.reply_media_type = "";
  routes.Add(metrics);
  Route openapi_route = Open(HttpMethod::kGet, "/openapi.json", "this description");
  openapi_route.open = false;
  openapi_route.scope = "system.read";
  openapi_route.handler = [self](Ctx, HttpRequest) { return self->OpenApi(); };
  routes.Add(openapi_route);
  Route system = Open(HttpMethod::kGet, "/api/v1/system", "version, models, collections");
  system.doc.reply_example =
      R"({"name": "tessera", "version": "0.1.0", "uptime_s": 1, "auth": true, "models": [{"name": "minilm", "kind": "embedder", "backend": "openvino", "dimension": 384, "is_default": true}], "default_model": "smollm2", "demo": true, "embedder": "minilm", "collections": [{"name": "default", "id": "vs_…", "documents": 1, "chunks": 1}]})";
  system.open = false;
  system.scope = "system.read";
  system.handler = [self](Ctx ctx, HttpRequest) { return self->System(std::move(ctx)); };
  routes.Add(system);

  Route login = Open(HttpMethod::kGet, "/login", "the one-time link: gives a browser its session");
  login.handler = [self](Ctx, HttpRequest request) { return self->Login(std::move(request)); };
  login.doc.reply_media_type = "";
  routes.Add(login);
  Route sign_in =
      Open(HttpMethod::kPost, "/api/v1/session", "exchanges the owner key for a session");
  sign_in.body = BodyKind::kBuffered;
  sign_in.body_max = 4096;
  sign_in.doc.request_schema =
      R"({"type":"object","required":["key"],"properties":{"key":{"type":"string"}}})";
  sign_in.doc.request_example = R"({"key": "…"})";
  sign_in.handler = [self](Ctx, HttpRequest r) { return self->NewSession(std::move(r)); };
  routes.Add(sign_in);
  Route sign_out = Open(HttpMethod::kDelete, "/api/v1/session", "ends the session");
  sign_out.handler = [self](Ctx, HttpRequest r) { return self->EndSession(std::move(r)); };
  routes.Add(sign_out);
}

}  // namespace tessera
