#include "telemetry/telemetry_config.h"

#include <algorithm>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::pair<std::string_view, SamplerChoice> kSamplers[] = {
    {"always_on", SamplerChoice::kAlwaysOn},
    {"always_off", SamplerChoice::kAlwaysOff},
    {"traceidratio", SamplerChoice::kRatio},
    {"parentbased_always_on", SamplerChoice::kParentAlwaysOn},
    {"parentbased_always_off", SamplerChoice::kParentAlwaysOff},
    {"parentbased_traceidratio", SamplerChoice::kParentRatio}};

constexpr std::string_view kNames[] = {"traces", "metrics", "logs"};
constexpr std::string_view kUpperNames[] = {"TRACES", "METRICS", "LOGS"};

std::size_t Index(OtlpSignal signal) { return static_cast<std::size_t>(signal); }

void ReadSampler(const OtelVariables& variables, TracesConfig& traces) {
  if (const auto name = variables.Get("OTEL_TRACES_SAMPLER")) {
    const auto* const found = std::find_if(std::begin(kSamplers), std::end(kSamplers),
                                           [&](const auto& row) { return row.first == *name; });
    if (found != std::end(kSamplers)) {
      traces.sampler = found->second;
    } else {
      variables.Warn("OTEL_TRACES_SAMPLER", *name,
                     "always_on, always_off, traceidratio and parentbased_… of each are known");
    }
  }
  double ratio = traces.ratio;
  variables.Read("OTEL_TRACES_SAMPLER_ARG", variables.Get("OTEL_TRACES_SAMPLER_ARG"), &ratio);
  if (ratio <= 1) traces.ratio = ratio;
}

std::map<std::string, Secret> HeadersOf(const OtelVariables& variables, const std::string& name,
                                        const std::string& text) {
  std::map<std::string, Secret> headers;
  for (const auto& [header, value] : variables.Pairs(name, text))
    headers[ToLower(header)] = Secret(value);
  return headers;
}

void ReadSignal(const OtelVariables& variables, OtlpSignal signal, OtlpConfig& otlp) {
  const std::string_view upper = kUpperNames[Index(signal)];
  OtlpSignalConfig& own = otlp.own[Index(signal)];
  const auto name_of = [&](std::string_view part) {
    std::string name = StrCat("OTEL_EXPORTER_OTLP_", upper, "_", part);
    return variables.Get(name) ? name : StrCat("OTEL_EXPORTER_OTLP_", part);
  };
  own.endpoint = variables.Get(StrCat("OTEL_EXPORTER_OTLP_", upper, "_ENDPOINT")).value_or("");
  if (const auto protocol = variables.Otlp(upper, "PROTOCOL")) {
    own.protocol = *protocol == "grpc" ? OtlpProtocol::kGrpc : OtlpProtocol::kHttp;
    if (*protocol != "grpc" && *protocol != "http/protobuf")
      variables.Warn(name_of("PROTOCOL"), *protocol, "http/protobuf is used; grpc is known too");
  }
  if (const auto headers = variables.Otlp(upper, "HEADERS")) {
    own.headers = otlp.headers;
    for (auto& [header, value] : HeadersOf(variables, name_of("HEADERS"), *headers))
      (*own.headers)[header] = value;
  }
  if (const auto compression = variables.Otlp(upper, "COMPRESSION")) {
    own.gzip = *compression == "gzip";
    if (*compression != "gzip" && *compression != "none")
      variables.Warn(name_of("COMPRESSION"), *compression, "gzip and none are known");
  }
  own.ca_file = variables.Otlp(upper, "CERTIFICATE");
  own.certificate_file = variables.Otlp(upper, "CLIENT_CERTIFICATE");
  own.key_file = variables.Otlp(upper, "CLIENT_KEY");
  if (variables.Otlp(upper, "INSECURE")) own.cleartext = variables.IsTrue(name_of("INSECURE"));
  own.timeout = variables.Millis(name_of("TIMEOUT"), variables.Otlp(upper, "TIMEOUT"));
}

// After what says where: OTEL_TRACES_EXPORTER and its like say whether.
void ReadExporter(const OtelVariables& variables, OtlpSignal signal, OtlpConfig& otlp) {
  const std::string name = StrCat("OTEL_", kUpperNames[Index(signal)], "_EXPORTER");
  const auto exporters = variables.Get(name);
  if (!exporters) return;
  bool wanted = false;
  for (const std::string& exporter : OtelVariables::List(*exporters)) {
    wanted = wanted || exporter == "otlp";
    const bool scraped = exporter == "prometheus" && signal == OtlpSignal::kMetrics;
    if (exporter != "otlp" && exporter != "none" && !scraped)
      variables.Warn(name, exporter, "otlp and none are known");
  }
  std::erase(otlp.signals, Name(signal));
  if (!wanted) return;
  otlp.signals.emplace_back(Name(signal));
  OtlpSignalConfig& own = otlp.own[Index(signal)];
  if (!otlp.Target(signal).url.empty()) return;
  own.endpoint = own.protocol.value_or(otlp.protocol) == OtlpProtocol::kGrpc
                     ? "http://localhost:4317"
                     : StrCat("http://localhost:4318/v1/", Name(signal));
}

void ReadOtlp(const OtelVariables& variables, TelemetryConfig& config) {
  OtlpConfig& otlp = config.otlp;
  if (const auto endpoint = variables.Get("OTEL_EXPORTER_OTLP_ENDPOINT")) {
    otlp.endpoint = *endpoint;
    for (std::string* const whole :
         {&otlp.traces_endpoint, &otlp.metrics_endpoint, &otlp.logs_endpoint})
      whole->clear();
  }
  for (const OtlpSignal signal : kOtlpSignals) {
    ReadSignal(variables, signal, otlp);
    ReadExporter(variables, signal, otlp);
  }
  const auto millis = [&variables](const char* name, std::chrono::milliseconds* into) {
    *into = variables.Millis(name, variables.Get(name)).value_or(*into);
  };
  millis("OTEL_METRIC_EXPORT_INTERVAL", &config.metrics.interval);
  millis("OTEL_BSP_SCHEDULE_DELAY", &otlp.delay);
  variables.Read("OTEL_BSP_MAX_QUEUE_SIZE", variables.Get("OTEL_BSP_MAX_QUEUE_SIZE"),
                 &otlp.queue_max);
  variables.Read("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", variables.Get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
                 &otlp.batch_max);
  otlp.queue_max = std::max(otlp.queue_max, 1U);
  otlp.batch_max = std::clamp(otlp.batch_max, 1U, otlp.queue_max);
}

Status CheckSignals(const OtlpConfig& config) {
  for (const std::string& signal : config.signals) {
    if (std::ranges::find(kNames, signal) == std::end(kNames))
      return absl::InvalidArgumentError(
          StrCat("signals: \"", signal, "\" is none of traces, metrics, logs"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view Name(OtlpSignal signal) { return kNames[Index(signal)]; }

OtlpTarget OtlpConfig::Target(OtlpSignal signal) const {
  const OtlpSignalConfig& one = own[Index(signal)];
  OtlpTarget target{.protocol = one.protocol.value_or(protocol),
                    .headers = one.headers.value_or(headers),
                    .gzip = one.gzip.value_or(gzip),
                    .ca_file = one.ca_file.value_or(ca_file),
                    .certificate_file = one.certificate_file.value_or(certificate_file),
                    .key_file = one.key_file.value_or(key_file),
                    .cleartext = one.cleartext.value_or(false),
                    .timeout = one.timeout.value_or(timeout)};
  if (std::ranges::find(signals, Name(signal)) == signals.end()) return target;
  const std::string& whole = signal == OtlpSignal::kTraces    ? traces_endpoint
                             : signal == OtlpSignal::kMetrics ? metrics_endpoint
                                                              : logs_endpoint;
  target.url = one.endpoint.empty() ? whole : one.endpoint;
  if (!target.url.empty() || endpoint.empty()) return target;
  target.url = endpoint;
  if (target.protocol == OtlpProtocol::kGrpc) return target;
  while (target.url.ends_with('/')) target.url.pop_back();
  target.url += StrCat("/v1/", Name(signal));
  return target;
}

void TracesConfig::Describe(Fields<TracesConfig>& f) {
  f.Optional("on", &TracesConfig::on, "Whether spans of requests are recorded at all.");
  f.Choice("sampler", &TracesConfig::sampler,
           "Which traces are chosen at their beginning, by OpenTelemetry's names; these are "
           "exported. \"by_export\": parentbased_always_on where spans are exported, else "
           "parentbased_always_off. Others are kept afterwards: those that failed, were slow or "
           "are rare.",
           {{"by_export", SamplerChoice::kByExport},
            {"always_on", SamplerChoice::kAlwaysOn},
            {"always_off", SamplerChoice::kAlwaysOff},
            {"traceidratio", SamplerChoice::kRatio},
            {"parentbased_always_on", SamplerChoice::kParentAlwaysOn},
            {"parentbased_always_off", SamplerChoice::kParentAlwaysOff},
            {"parentbased_traceidratio", SamplerChoice::kParentRatio}});
  f.Optional("ratio", &TracesConfig::ratio,
             "Of the samplers with a ratio: 0.01 is one in a hundred.", 0.0, 1.0);
  f.Optional("propagators", &TracesConfig::propagators,
             "What is read from requests and sent on: tracecontext (traceparent, tracestate), "
             "baggage, none.");
  f.Optional("store", &TracesConfig::store,
             "Whether traces are kept in DATA/traces.db, for \"tessera trace\" and the admin API.");
  f.Optional("store_bytes_max", &TracesConfig::store_bytes_max,
             "Most bytes of kept traces; the oldest go first, a quarter is for those that failed.");
  f.Optional("store_age_max", &TracesConfig::store_age_max, "How long traces are kept.");
  f.Optional("sampled_per_second", &TracesConfig::sampled_per_second,
             "Most traces a second that are kept here because they were chosen at their beginning.",
             0U, 100'000U);
  f.Optional("errors_per_second", &TracesConfig::errors_per_second,
             "Most traces a second that are kept because they failed.", 0U, 100'000U);
  f.Optional("recent_per_second", &TracesConfig::recent_per_second,
             "Most others a second that are kept: with little to do, all are.", 0U, 100'000U);
  f.Optional("slow", &TracesConfig::slow,
             "A request that takes longer is kept, as is one that takes longer than 99 of 100 of "
             "its route.");
}

void MetricsConfig::Describe(Fields<MetricsConfig>& f) {
  f.Optional("interval", &MetricsConfig::interval,
             "How often the figures of all processes are sent to the collector of otlp.");
}

void OtlpConfig::Describe(Fields<OtlpConfig>& f) {
  f.Optional("signals", &OtlpConfig::signals, "What is sent: traces, metrics, logs.", 0, 3);
  f.Optional("endpoint", &OtlpConfig::endpoint,
             "Base URL of an OpenTelemetry collector, such as http://127.0.0.1:4318; empty: "
             "nothing is sent. The variables OTEL_EXPORTER_OTLP_… go before all of this.");
  f.Optional("traces_endpoint", &OtlpConfig::traces_endpoint,
             "The whole URL for spans, where it is not /v1/traces below the endpoint.");
  f.Optional("metrics_endpoint", &OtlpConfig::metrics_endpoint,
             "The whole URL for figures, where it is not /v1/metrics below the endpoint.");
  f.Optional("logs_endpoint", &OtlpConfig::logs_endpoint,
             "The whole URL for log records, where it is not /v1/logs below the endpoint.");
  f.Choice("protocol", &OtlpConfig::protocol, "How all of it is sent.",
           {{"http/protobuf", OtlpProtocol::kHttp}, {"grpc", OtlpProtocol::kGrpc}});
  f.Optional("headers", &OtlpConfig::headers, "Sent with each request, keys for example.");
  f.Optional("gzip", &OtlpConfig::gzip, "Whether requests are compressed.");
  f.Optional("ca_file", &OtlpConfig::ca_file,
             "Certificates to trust instead of the system's, of https endpoints.");
  f.Optional("certificate_file", &OtlpConfig::certificate_file,
             "This side's certificate (PEM), for https endpoints that ask for one.");
  f.Optional("key_file", &OtlpConfig::key_file, "The key of that certificate (PEM).");
  f.Optional("timeout", &OtlpConfig::timeout, "Longest time of one request.");
  f.Optional("delay", &OtlpConfig::delay, "Longest time that a span waits for others to go with.");
  f.Optional("queue_max", &OtlpConfig::queue_max,
             "Most spans that wait; more are dropped and counted.", 1U, 1'000'000U);
  f.Optional("batch_max", &OtlpConfig::batch_max, "Most spans of one request.", 1U, 65'536U);
  f.Check(CheckSignals);
}

void SlowRequestsConfig::Describe(Fields<SlowRequestsConfig>& f) {
  f.Optional("after", &SlowRequestsConfig::after,
             "A request that takes longer is told of in the log, with where its time went; of a "
             "streamed answer the time until its first text counts. 0: none is. Needs traces.on.");
  f.Optional("routes", &SlowRequestsConfig::routes,
             "The same for single routes: \"POST /v1/chat/completions\": 5s.");
  f.Optional("per_second", &SlowRequestsConfig::per_second,
             "Most of them a second; tessera_slow_requests_total counts all.", 0U, 10'000U);
}

void TelemetryConfig::Describe(Fields<TelemetryConfig>& f) {
  f.Optional("service_name", &TelemetryConfig::service_name,
             "What the platform is called in traces, figures and records.");
  f.Optional("resource_attributes", &TelemetryConfig::resource_attributes,
             "What else is said of the platform there: deployment.environment.name: test.");
  f.Optional("traces", &TelemetryConfig::traces, "Traces of requests (docs/observability.md).");
  f.Optional("slow_requests", &TelemetryConfig::slow_requests,
             "The log of slow requests (docs/observability.md).");
  f.Optional("metrics", &TelemetryConfig::metrics, "Figures that are sent.");
  f.Optional("otlp", &TelemetryConfig::otlp,
             "Where spans, figures and records are sent to, in OpenTelemetry's protocol.");
}

std::map<std::string, std::string> TelemetryConfig::Resource(const std::string& version) const {
  std::map<std::string, std::string> attributes = resource_attributes;
  attributes["service.name"] = service_name;
  attributes.emplace("service.version", version);
  return attributes;
}

TraceRecorder::Options TelemetryConfig::RecorderOptions() const {
  TraceRecorder::Options options;
  options.on = traces.on && (traces.store || exports());
  SamplerChoice choice = traces.sampler;
  if (choice == SamplerChoice::kByExport)
    choice = exports() ? SamplerChoice::kParentAlwaysOn : SamplerChoice::kParentAlwaysOff;
  using Root = TraceSampler::Root;
  switch (choice) {
    case SamplerChoice::kAlwaysOn:
    case SamplerChoice::kParentAlwaysOn:
      options.sampler.root = Root::kAlwaysOn;
      break;
    case SamplerChoice::kRatio:
    case SamplerChoice::kParentRatio:
      options.sampler.root = Root::kRatio;
      break;
    default:
      options.sampler.root = Root::kAlwaysOff;
  }
  options.sampler.parent_based = choice != SamplerChoice::kAlwaysOn &&
                                 choice != SamplerChoice::kAlwaysOff &&
                                 choice != SamplerChoice::kRatio;
  options.sampler.ratio = traces.ratio;
  options.tail.on = traces.store;
  options.tail.slow = traces.slow;
  options.tail.recent_per_second = traces.recent_per_second;
  options.tail.logged_after = slow_requests.after;
  options.tail.logged_routes = slow_requests.routes;
  options.tail.logged_per_second = slow_requests.per_second;
  const auto propagates = [this](std::string_view name) {
    return std::find(traces.propagators.begin(), traces.propagators.end(), name) !=
           traces.propagators.end();
  };
  options.propagates_trace = propagates("tracecontext");
  options.propagates_baggage = propagates("baggage");
  return options;
}

TelemetryConfig WithOtelVariables(TelemetryConfig config, const Environment& environment,
                                  std::vector<std::string>* warnings) {
  const OtelVariables variables(environment, warnings);
  ReadSampler(variables, config.traces);
  ReadOtlp(variables, config);
  if (variables.IsTrue("OTEL_SDK_DISABLED")) {
    config.traces.on = false;
    config.otlp.signals.clear();
  }
  if (const auto attributes = variables.Get("OTEL_RESOURCE_ATTRIBUTES")) {
    for (const auto& [key, value] : variables.Pairs("OTEL_RESOURCE_ATTRIBUTES", *attributes)) {
      if (key == "service.name") config.service_name = value;
      config.resource_attributes[key] = value;
    }
  }
  if (const auto name = variables.Get("OTEL_SERVICE_NAME")) config.service_name = *name;
  if (const auto names = variables.Get("OTEL_PROPAGATORS")) {
    config.traces.propagators = OtelVariables::List(*names);
    for (const std::string& name : config.traces.propagators) {
      if (name != "tracecontext" && name != "baggage" && name != "none")
        variables.Warn("OTEL_PROPAGATORS", name, "tracecontext, baggage and none are known");
    }
  }
  return config;
}

}  // namespace tessera
