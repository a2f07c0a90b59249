#include "edge/jaeger_routes.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"

namespace tessera {
namespace {

using Handle = Task<Result<HttpReply>>;

constexpr std::uint32_t kTracesDefault = 20;
constexpr std::uint32_t kTracesMax = 200;
constexpr std::uint32_t kOperationsLook = 1000;

std::string_view KindName(v1::SpanKind kind) {
  switch (kind) {
    case v1::SPAN_KIND_SERVER:
      return "server";
    case v1::SPAN_KIND_CLIENT:
      return "client";
    case v1::SPAN_KIND_PRODUCER:
      return "producer";
    case v1::SPAN_KIND_CONSUMER:
      return "consumer";
    default:
      return "internal";
  }
}

void Tag(JsonWriter& json, std::string_view key, std::string_view type, std::string_view value) {
  json.BeginObject().Field("key", key).Field("type", type).Field("value", value).EndObject();
}

void WriteTag(JsonWriter& json, const v1::SpanAttribute& attribute) {
  json.BeginObject().Field("key", attribute.key());
  switch (attribute.value_case()) {
    case v1::SpanAttribute::kInteger:
      json.Field("type", "int64").Field("value", attribute.integer());
      break;
    case v1::SpanAttribute::kNumber:
      json.Field("type", "float64").Field("value", attribute.number());
      break;
    case v1::SpanAttribute::kFlag:
      json.Field("type", "bool").Field("value", attribute.flag());
      break;
    default:
      json.Field("type", "string").Field("value", attribute.text());
  }
  json.EndObject();
}

void WriteSpan(JsonWriter& json, const v1::Trace& trace, const v1::Span& span) {
  json.BeginObject().Field("traceID", trace.trace_id()).Field("spanID", span.id());
  json.Field("operationName", span.name()).Key("references").BeginArray();
  if (!span.parent_id().empty()) {
    json.BeginObject().Field("refType", "CHILD_OF").Field("traceID", trace.trace_id());
    json.Field("spanID", span.parent_id()).EndObject();
  }
  json.EndArray().Field("startTime", span.start_us());
  json.Field("duration", span.duration_ns() / 1000).Key("tags").BeginArray();
  Tag(json, "span.kind", "string", KindName(span.kind()));
  if (span.error()) {
    json.BeginObject().Field("key", "error").Field("type", "bool").Field("value", true);
    json.EndObject();
    Tag(json, "otel.status_code", "string", "ERROR");
  }
  if (!span.status().empty()) Tag(json, "otel.status_description", "string", span.status());
  for (const v1::SpanAttribute& attribute : span.attributes()) WriteTag(json, attribute);
  json.EndArray().Key("logs").BeginArray().EndArray();
  json.Field("processID", span.process()).Key("warnings").Null().EndObject();
}

void WriteTrace(JsonWriter& json, const v1::Trace& trace, const std::string& service) {
  std::map<std::string, std::string> groups;
  json.BeginObject().Field("traceID", trace.trace_id()).Key("spans").BeginArray();
  for (const v1::Span& span : trace.spans()) {
    groups[span.process()] = span.group();
    WriteSpan(json, trace, span);
  }
  json.EndArray().Key("processes").BeginObject();
  for (const auto& [process, group] : groups) {
    json.Key(process).BeginObject().Field("serviceName", service).Key("tags").BeginArray();
    Tag(json, "service.instance.id", "string", process);
    Tag(json, "tessera.group", "string", group);
    json.EndArray().EndObject();
  }
  json.EndObject().Key("warnings").Null().EndObject();
}

void EndReply(JsonWriter& json, std::size_t total) {
  json.EndArray().Field("total", total).Field("limit", 0).Field("offset", 0);
  json.Key("errors").Null().EndObject();
}

std::optional<std::int64_t> Number(const std::optional<std::string>& text) {
  std::int64_t number = 0;
  if (!text || text->empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return number;
}

// "100ms", "1.5s", "200us", in whole milliseconds.
Result<std::int64_t> Millis(const std::string& text, bool up) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  double factor = 0;
  if (unit == "us" || unit == "µs") factor = 0.001;
  if (unit == "ms") factor = 1;
  if (unit == "s") factor = 1000;
  if (unit == "m") factor = 60'000;
  if (unit == "h") factor = 3'600'000;
  if (error != std::errc() || factor == 0 || number < 0 || number * factor > 1e12)
    return absl::InvalidArgumentError(
        StrCat("\"", text.substr(0, 40), "\" is not a duration such as 100ms"));
  const double millis = number * factor;
  const auto whole = static_cast<std::int64_t>(millis);
  return up && static_cast<double>(whole) < millis ? whole + 1 : whole;
}

class JaegerRoutes {
 public:
  JaegerRoutes(Traces& traces, std::string service)
      : traces_(traces), service_(std::move(service)) {}

  Handle Services() const {
    JsonWriter json;
    json.BeginObject().Key("data").BeginArray().Value(service_);
    EndReply(json, 1);
    co_return HttpReply::Json(200, json.Take());
  }

  /// `named`: with the kind of their spans, as the newer path has it.
  Handle Operations(Ctx ctx, bool named) const {
    v1::ListTracesRequest request;
    request.set_limit(kOperationsLook);
    CO_TRY(const v1::ListTracesReply reply, co_await traces_.ListTraces(ctx, std::move(request)));
    std::set<std::string> names;
    for (const v1::Trace& trace : reply.traces()) names.insert(trace.route());
    JsonWriter json;
    json.BeginObject().Key("data").BeginArray();
    for (const std::string& name : names) {
      if (named) {
        json.BeginObject().Field("name", name).Field("spanKind", "server").EndObject();
      } else {
        json.Value(name);
      }
    }
    EndReply(json, names.size());
    co_return HttpReply::Json(200, json.Take());
  }

  Handle Find(Ctx ctx, HttpRequest request) const {
    CO_TRY(v1::ListTracesRequest list, ReadQuery(request));
    v1::ListTracesReply found;
    const auto service = request.Query("service");
    if (!service || service->empty() || *service == service_) {
      CO_TRY(found, co_await traces_.ListTraces(ctx, std::move(list)));
    }
    JsonWriter json(1 << 16);
    json.BeginObject().Key("data").BeginArray();
    std::size_t total = 0;
    for (const v1::Trace& row : found.traces()) {
      v1::GetTraceRequest get;
      get.set_id(row.trace_id());
      const auto trace = co_await traces_.GetTrace(ctx, std::move(get));
      if (!trace.ok()) continue;  // it made room for another meanwhile
      WriteTrace(json, *trace, service_);
      ++total;
    }
    EndReply(json, total);
    co_return HttpReply::Json(200, json.Take());
  }

  Handle Get(Ctx ctx, HttpRequest request) const {
    v1::GetTraceRequest get;
    // Jaeger leaves leading zeros out.
    std::string id(request.Param("id"));
    if (id.size() < 32) id.insert(0, 32 - id.size(), '0');
    get.set_id(std::move(id));
    CO_TRY(const v1::Trace trace, co_await traces_.GetTrace(ctx, std::move(get)));
    JsonWriter json(1 << 14);
    json.BeginObject().Key("data").BeginArray();
    WriteTrace(json, trace, service_);
    EndReply(json, 1);
    co_return HttpReply::Json(200, json.Take());
  }

  Handle Dependencies() const {
    JsonWriter json;
    json.BeginObject().Key("data").BeginArray();
    EndReply(json, 0);
    co_return HttpReply::Json(200, json.Take());
  }

 private:
  static Result<v1::ListTracesRequest> ReadQuery(const HttpRequest& request) {
    v1::ListTracesRequest list;
    list.set_route(request.Query("operation").value_or(""));
    if (const auto start = Number(request.Query("start"))) list.set_since_ms(*start / 1000);
    if (const auto end = Number(request.Query("end"))) list.set_until_ms(*end / 1000 + 1);
    const std::int64_t limit = Number(request.Query("limit")).value_or(kTracesDefault);
    list.set_limit(static_cast<std::uint32_t>(std::clamp<std::int64_t>(limit, 1, kTracesMax)));
    if (const auto least = request.Query("minDuration"); least && !least->empty()) {
      TRY(const std::int64_t millis, Millis(*least, false));
      list.set_duration_ms_min(millis);
    }
    if (const auto most = request.Query("maxDuration"); most && !most->empty()) {
      TRY(const std::int64_t millis, Millis(*most, true));
      list.set_duration_ms_max(millis);
    }
    if (const auto tags = request.Query("tags"); tags && !tags->empty()) {
      TRY(ReadTags(*tags, list));
    }
    return list;
  }

  // {"error": "true", "http.response.status_code": "503", …}: others are searched as words.
  static Status ReadTags(const std::string& text, v1::ListTracesRequest& list) {
    TRY(const JsonDocument document, JsonDocument::Parse(text));
    const JsonValue root = document.root();
    if (!root.is_object()) return absl::InvalidArgumentError("tags: must be a JSON object");
    std::string words;
    for (const auto& [key, value] : root.Members()) {
      const std::string said = value.is_string() ? std::string(*value.AsString()) : "";
      if (key == "error") {
        list.set_error(said == "true");
      } else if (key == "http.response.status_code" || key == "http.status_code") {
        list.set_http_status(static_cast<int>(Number(said).value_or(0)));
      } else if (key == "tessera.request_id") {
        list.set_request_id(said);
      } else {
        StrAppend(&words, words.empty() ? "" : " ", said);
      }
    }
    list.set_text(words);
    return absl::OkStatus();
  }

  Traces& traces_;
  const std::string service_;
};

Route Get(std::string pattern, std::string summary) {
  Route route;
  route.pattern = std::move(pattern);
  route.scope = "admin";
  route.doc.summary = std::move(summary);
  route.doc.tag = "jaeger";
  return route;
}

}  // namespace

void AddJaegerRoutes(Traces& traces, std::string service, HttpRoutes& routes) {
  const auto self = std::make_shared<const JaegerRoutes>(traces, std::move(service));
  Route services = Get("/api/services", "Jaeger: the platform's name in traces");
  services.handler = [self](Ctx, HttpRequest) { return self->Services(); };
  routes.Add(services);
  Route operations = Get("/api/operations", "Jaeger: what traces begin with");
  operations.handler = [self](Ctx ctx, HttpRequest) {
    return self->Operations(std::move(ctx), true);
  };
  routes.Add(operations);
  Route of_service =
      Get("/api/services/{service}/operations", "Jaeger: what traces of a service begin with");
  of_service.handler = [self](Ctx ctx, HttpRequest) {
    return self->Operations(std::move(ctx), false);
  };
  routes.Add(of_service);
  Route find = Get("/api/traces", "Jaeger: traces that fit, the newest first");
  find.handler = [self](Ctx ctx, HttpRequest request) {
    return self->Find(std::move(ctx), std::move(request));
  };
  routes.Add(find);
  Route get = Get("/api/traces/{id}", "Jaeger: one trace");
  get.handler = [self](Ctx ctx, HttpRequest request) {
    return self->Get(std::move(ctx), std::move(request));
  };
  routes.Add(get);
  Route dependencies = Get("/api/dependencies", "Jaeger: none are computed");
  dependencies.handler = [self](Ctx, HttpRequest) { return self->Dependencies(); };
  routes.Add(dependencies);
}

}  // namespace tessera
