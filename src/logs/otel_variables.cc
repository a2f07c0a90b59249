// OpenTelemetry's variables (https://opentelemetry.io/docs/specs/otel/protocol/exporter/) for logs.
#include <charconv>

#include "absl/strings/str_split.h"
#include "base/str.h"
#include "logs/logs_config.h"
#include "net/uri.h"

namespace tessera {
namespace {

class Variables {
 public:
  Variables(const LogEnvironment& environment, std::vector<std::string>* warnings)
      : environment_(environment), warnings_(warnings) {}

  /// Nothing when it is empty too, as the specification wants it.
  std::optional<std::string> Get(const std::string& name) const {
    std::optional<std::string> value = environment_(name.c_str());
    if (value && Trim(*value).empty()) value.reset();
    return value;
  }
  std::optional<std::string> Otlp(std::string_view name) const {
    auto value = Get(StrCat("OTEL_EXPORTER_OTLP_LOGS_", name));
    return value ? value : Get(StrCat("OTEL_EXPORTER_OTLP_", name));
  }
  void Warn(std::string_view what) const { warnings_->emplace_back(what); }

  /// "name=value,…", values percent-encoded.
  std::map<std::string, std::string> Pairs(std::string_view name, const std::string& text) const {
    std::map<std::string, std::string> pairs;
    for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
      const std::string_view one = Trim(StdView(part));
      const std::size_t equals = one.find('=');
      const auto value = PercentDecode(equals == one.npos ? one : Trim(one.substr(equals + 1)));
      if (equals == 0 || equals == one.npos || !value.ok()) {
        Warn(StrCat(name, ": entries are name=value; one is left out"));
      } else {
        pairs[std::string(Trim(one.substr(0, equals)))] = *value;
      }
    }
    return pairs;
  }

 private:
  const LogEnvironment& environment_;
  std::vector<std::string>* const warnings_;
};

void ReadOtlp(const Variables& variables, LogOtlpConfig& otlp) {
  if (const auto base = variables.Get("OTEL_EXPORTER_OTLP_ENDPOINT"))
    otlp.url = StrCat(*base, base->ends_with('/') ? "" : "/", "v1/logs");
  if (const auto url = variables.Get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")) otlp.url = *url;
  if (const auto headers = variables.Otlp("HEADERS")) {
    for (const auto& [name, value] : variables.Pairs("OTEL_EXPORTER_OTLP_HEADERS", *headers))
      otlp.headers[ToLower(name)] = Secret(value);
  }
  if (const auto coding = variables.Otlp("COMPRESSION")) otlp.gzip = *coding == "gzip";
  if (const auto file = variables.Otlp("CERTIFICATE")) otlp.ca_file = *file;
  if (const auto text = variables.Otlp("TIMEOUT")) {
    std::int64_t millis = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), millis);
    if (error == std::errc() && end == text->data() + text->size() && millis > 0) {
      otlp.sending.timeout = std::chrono::milliseconds(millis);
    } else {
      variables.Warn("OTEL_EXPORTER_OTLP_TIMEOUT: it must be a number of milliseconds; left out");
    }
  }
  const auto protocol = variables.Otlp("PROTOCOL");
  if (!otlp.url.empty() && protocol && *protocol != "http/protobuf") {
    variables.Warn(StrCat("logs are sent by http/protobuf only, not by ", *protocol,
                          ": they go nowhere; set OTEL_EXPORTER_OTLP_LOGS_PROTOCOL and "
                          "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT for them"));
    otlp.url.clear();
  }
}

}  // namespace

LogsConfig WithOtelLogVariables(LogsConfig config, const LogEnvironment& environment,
                                std::vector<std::string>* warnings) {
  const Variables variables(environment, warnings);
  ReadOtlp(variables, config.otlp);
  const std::string exporter = variables.Get("OTEL_LOGS_EXPORTER").value_or("");
  if (exporter == "otlp" && config.otlp.url.empty())
    config.otlp.url = "http://localhost:4318/v1/logs";
  if (exporter == "none" || exporter == "console" ||
      EqualsIgnoreCase(variables.Get("OTEL_SDK_DISABLED").value_or(""), "true"))
    config.otlp.url.clear();
  if (const auto attributes = variables.Get("OTEL_RESOURCE_ATTRIBUTES")) {
    for (auto& [name, value] : variables.Pairs("OTEL_RESOURCE_ATTRIBUTES", *attributes))
      config.resource_attributes[name] = value;
    if (const auto named = config.resource_attributes.find("service.name");
        named != config.resource_attributes.end())
      config.service_name = named->second;
  }
  if (const auto name = variables.Get("OTEL_SERVICE_NAME")) config.service_name = *name;
  return config;
}

}  // namespace tessera
