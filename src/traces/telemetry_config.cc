#include "traces/telemetry_config.h"

#include <algorithm>
#include <charconv>

#include "base/hex.h"
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

std::string Lower(std::string text) {
  for (char& c : text) c = ToLower(c);
  return text;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> Split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(by), text.size());
    if (const auto part = Trimmed(text.substr(0, end)); !part.empty()) parts.push_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string PercentDecoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      decoded.push_back(static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

/// The variables, with what was wrong with them.
class Variables {
 public:
  Variables(const Environment& environment, std::vector<std::string>* warnings)
      : environment_(environment), warnings_(warnings) {}

  /// Set and not empty; an empty one counts as not set.
  std::optional<std::string> Get(const std::string& name) const {
    std::optional<std::string> value = environment_(name.c_str());
    if (value && Trimmed(*value).empty()) value.reset();
    return value;
  }
  /// OTEL_EXPORTER_OTLP_TRACES_x goes before OTEL_EXPORTER_OTLP_x.
  std::optional<std::string> Otlp(std::string_view name) const {
    auto value = Get(StrCat("OTEL_EXPORTER_OTLP_TRACES_", name));
    return value ? value : Get(StrCat("OTEL_EXPORTER_OTLP_", name));
  }
  void Warn(std::string_view name, std::string_view value, std::string_view wanted) const {
    warnings_->push_back(
        StrCat(name, " is \"", value.substr(0, 100), "\", which is left out: ", wanted));
  }
  template <class Number>
  void Read(std::string_view name, const std::optional<std::string>& value, Number* into) const {
    if (!value) return;
    Number number = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
    if (error != std::errc() || end != value->data() + value->size() || number < 0) {
      Warn(name, *value, "it must be a number, zero or more");
    } else {
      *into = number;
    }
  }
  void Millis(std::string_view name, const std::optional<std::string>& value,
              std::chrono::milliseconds* into) const {
    std::int64_t count = into->count();
    Read(name, value, &count);
    *into = std::chrono::milliseconds(count);
  }

 private:
  const Environment& environment_;
  std::vector<std::string>* const warnings_;
};

void ReadSampler(const Variables& variables, TracesConfig& traces) {
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

void ReadOtlp(const Variables& variables, OtlpConfig& otlp) {
  if (const auto endpoint = variables.Get("OTEL_EXPORTER_OTLP_ENDPOINT")) {
    otlp.endpoint = *endpoint;
    otlp.traces_endpoint.clear();
  }
  if (const auto endpoint = variables.Get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
    otlp.traces_endpoint = *endpoint;
  if (const auto protocol = variables.Otlp("PROTOCOL")) {
    if (*protocol == "grpc") {
      otlp.protocol = OtlpProtocol::kGrpc;
    } else {
      otlp.protocol = OtlpProtocol::kHttp;
      if (*protocol != "http/protobuf")
        variables.Warn("OTEL_EXPORTER_OTLP_PROTOCOL", *protocol,
                       "http/protobuf is used; grpc is known too");
    }
  }
  if (const auto headers = variables.Otlp("HEADERS")) {
    for (const std::string_view pair : Split(*headers, ',')) {
      const std::size_t equals = pair.find('=');
      if (equals == 0 || equals == pair.npos) {
        variables.Warn("OTEL_EXPORTER_OTLP_HEADERS", "(an entry)", "entries are name=value");
        continue;
      }
      otlp.headers[Lower(std::string(Trimmed(pair.substr(0, equals))))] =
          Secret(PercentDecoded(Trimmed(pair.substr(equals + 1))));
    }
  }
  if (const auto compression = variables.Otlp("COMPRESSION")) otlp.gzip = *compression == "gzip";
  if (const auto file = variables.Otlp("CERTIFICATE")) otlp.ca_file = *file;
  variables.Millis("OTEL_EXPORTER_OTLP_TIMEOUT", variables.Otlp("TIMEOUT"), &otlp.timeout);
  variables.Millis("OTEL_BSP_SCHEDULE_DELAY", variables.Get("OTEL_BSP_SCHEDULE_DELAY"),
                   &otlp.delay);
  variables.Read("OTEL_BSP_MAX_QUEUE_SIZE", variables.Get("OTEL_BSP_MAX_QUEUE_SIZE"),
                 &otlp.queue_max);
  variables.Read("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", variables.Get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
                 &otlp.batch_max);
  otlp.queue_max = std::max(otlp.queue_max, 1U);
  otlp.batch_max = std::clamp(otlp.batch_max, 1U, otlp.queue_max);
}

// After what says where; OTEL_TRACES_EXPORTER says whether.
void ReadExporter(const Variables& variables, OtlpConfig& otlp) {
  const auto exporter = variables.Get("OTEL_TRACES_EXPORTER");
  if (!exporter) return;
  if (*exporter == "none") {
    otlp.endpoint.clear();
    otlp.traces_endpoint.clear();
  } else if (*exporter != "otlp") {
    variables.Warn("OTEL_TRACES_EXPORTER", *exporter, "otlp and none are known");
  } else if (otlp.endpoint.empty() && otlp.traces_endpoint.empty()) {
    otlp.endpoint =
        otlp.protocol == OtlpProtocol::kGrpc ? "http://localhost:4317" : "http://localhost:4318";
  }
}

}  // namespace

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

void OtlpConfig::Describe(Fields<OtlpConfig>& f) {
  f.Optional("endpoint", &OtlpConfig::endpoint,
             "Base URL of an OpenTelemetry collector, such as http://127.0.0.1:4318; empty: spans "
             "are sent nowhere.");
  f.Optional("traces_endpoint", &OtlpConfig::traces_endpoint,
             "The whole URL for spans, where it is not /v1/traces below the endpoint.");
  f.Choice("protocol", &OtlpConfig::protocol, "How spans are sent.",
           {{"http/protobuf", OtlpProtocol::kHttp}, {"grpc", OtlpProtocol::kGrpc}});
  f.Optional("headers", &OtlpConfig::headers, "Sent with each request, keys for example.");
  f.Optional("gzip", &OtlpConfig::gzip, "Whether requests are compressed.");
  f.Optional("ca_file", &OtlpConfig::ca_file,
             "Certificates to trust instead of the system's, of https endpoints.");
  f.Optional("timeout", &OtlpConfig::timeout, "Longest time of one request.");
  f.Optional("delay", &OtlpConfig::delay, "Longest time that a span waits for others to go with.");
  f.Optional("queue_max", &OtlpConfig::queue_max,
             "Most spans that wait; more are dropped and counted.", 1U, 1'000'000U);
  f.Optional("batch_max", &OtlpConfig::batch_max, "Most spans of one request.", 1U, 65'536U);
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
             "What the platform is called in traces.");
  f.Optional("resource_attributes", &TelemetryConfig::resource_attributes,
             "What else is said of the platform in traces: deployment.environment.name: test.");
  f.Optional("traces", &TelemetryConfig::traces, "Traces of requests (docs/observability.md).");
  f.Optional("slow_requests", &TelemetryConfig::slow_requests,
             "The log of slow requests (docs/observability.md).");
  f.Optional("otlp", &TelemetryConfig::otlp,
             "Where spans are sent to, in OpenTelemetry's protocol.");
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
  const Variables variables(environment, warnings);
  if (const auto disabled = variables.Get("OTEL_SDK_DISABLED"); disabled)
    config.traces.on = config.traces.on && Lower(*disabled) != "true";
  ReadSampler(variables, config.traces);
  ReadOtlp(variables, config.otlp);
  ReadExporter(variables, config.otlp);
  if (const auto attributes = variables.Get("OTEL_RESOURCE_ATTRIBUTES")) {
    for (const std::string_view pair : Split(*attributes, ',')) {
      const std::size_t equals = pair.find('=');
      if (equals == 0 || equals == pair.npos) {
        variables.Warn("OTEL_RESOURCE_ATTRIBUTES", pair, "entries are key=value");
        continue;
      }
      const std::string key(Trimmed(pair.substr(0, equals)));
      const std::string value = PercentDecoded(Trimmed(pair.substr(equals + 1)));
      if (key == "service.name") config.service_name = value;
      config.resource_attributes[key] = value;
    }
  }
  if (const auto name = variables.Get("OTEL_SERVICE_NAME")) config.service_name = *name;
  if (const auto names = variables.Get("OTEL_PROPAGATORS")) {
    config.traces.propagators.clear();
    for (const std::string_view name : Split(*names, ',')) {
      if (name != "tracecontext" && name != "baggage" && name != "none")
        variables.Warn("OTEL_PROPAGATORS", name, "tracecontext, baggage and none are known");
      config.traces.propagators.emplace_back(name);
    }
  }
  return config;
}

}  // namespace tessera
