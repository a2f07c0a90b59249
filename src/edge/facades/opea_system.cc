// What every OPEA service tells about itself: /v1/health_check and /v1/statistics.

#include <utility>

#include "base/json_writer.h"
#include "edge/facades/facades.h"
#include "edge/facades/megaservice_figures.h"

namespace tessera {
namespace {

void WriteLatency(JsonWriter& json, std::string_view suffix, const Histogram::Snapshot& snapshot) {
  const auto field = [&](std::string_view name, double value) {
    json.Key(StrCat(name, suffix));
    if (snapshot.count == 0) {
      json.Null();
    } else {
      json.Value(value);
    }
  };
  field("p50_latency", snapshot.Quantile(0.5));
  field("p99_latency", snapshot.Quantile(0.99));
  field("average_latency",
        snapshot.count == 0 ? 0 : snapshot.sum_seconds / static_cast<double>(snapshot.count));
}

Task<Result<HttpReply>> Statistics(Ctx ctx, HttpRequest request) {
  JsonWriter json;
  json.BeginObject();
  for (const std::string_view name : {"chatqna", "codegen", "docsum", "faqgen"}) {
    const MegaserviceFigures figures = FiguresOf(name);
    json.Key(name).BeginObject();
    WriteLatency(json, "", figures.request.snapshot());
    WriteLatency(json, "_first_token", figures.first_token.snapshot());
    json.EndObject();
  }
  json.EndObject();
  co_return HttpReply::Json(200, json.Take());
}

Task<Result<HttpReply>> HealthCheck(std::string version, Ctx ctx, HttpRequest request) {
  JsonWriter json;
  json.BeginObject().Field("Service Title", "tessera").Field("Version", version);
  json.Field("Service Description", "Tessera, a GenAI microservices platform").EndObject();
  co_return HttpReply::Json(200, json.Take());
}

}  // namespace

MegaserviceFigures FiguresOf(std::string_view name) {
  const Labels labels = {{"service", std::string(name)}};
  Metrics& metrics = Metrics::Process();
  return {
      metrics.NewHistogram("tessera_megaservice_seconds",
                           "From an OPEA request to the end of its answer.", labels),
      metrics.NewHistogram("tessera_megaservice_first_token_seconds",
                           "From an OPEA request to the first piece of its answer.", labels),
      metrics.NewHistogram("megaservice_request_latency",
                           "Seconds from a streamed OPEA request to the end of its answer."),
      metrics.NewHistogram("megaservice_first_token_latency",
                           "Seconds from a streamed OPEA request to its first token."),
      metrics.NewHistogram("megaservice_inter_token_latency",
                           "Seconds from a token of a streamed OPEA answer to the next."),
      metrics.NewGauge("megaservice_request_pending", "OPEA requests that are being answered.")};
}

void AddOpeaSystem(HttpRoutes& routes, std::string version) {
  Route health;
  health.pattern = "/v1/health_check";
  health.open = true;
  health.errors = ErrorShape::kOpea;
  health.handler = [version](Ctx ctx, HttpRequest request) {
    return HealthCheck(version, std::move(ctx), std::move(request));
  };
  health.doc = {
      .summary = "That it runs, and what it is",
      .tag = "opea",
      .reply_example =
          R"({"Service Title": "tessera", "Version": "0.1.0", "Service Description": "Tessera, a GenAI microservices platform"})"};
  routes.Add(std::move(health));

  Route statistics;
  statistics.pattern = "/v1/statistics";
  statistics.scope = "monitoring.read";
  statistics.errors = ErrorShape::kOpea;
  statistics.handler = Statistics;
  statistics.doc = {
      .summary = "Latencies of the megaservices in seconds; null before the first request",
      .tag = "opea",
      .reply_example =
          R"({"chatqna": {"p50_latency": 0.31, "p99_latency": 0.52, "average_latency": 0.34, "p50_latency_first_token": 0.02, "p99_latency_first_token": 0.05, "average_latency_first_token": 0.02}})"};
  routes.Add(std::move(statistics));
}

}  // namespace tessera
