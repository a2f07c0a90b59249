#pragma once
// OpenTelemetry's variables, read in one way for traces, metrics and logs:
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/

#include <charconv>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// The value of a variable of the process; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;

/// This process's own.
Environment OwnEnvironment();

/// Values that make no sense are left out and told of in `warnings`, as the specification wants it.
class OtelVariables {
 public:
  /// Both outlive it.
  OtelVariables(const Environment& environment, std::vector<std::string>* warnings)
      : environment_(environment), warnings_(warnings) {}

  /// Without the space around it; nothing when it is empty, which counts as not set.
  std::optional<std::string> Get(const std::string& name) const;
  /// OTEL_EXPORTER_OTLP_SIGNAL_NAME goes before OTEL_EXPORTER_OTLP_NAME. `signal`: "TRACES".
  std::optional<std::string> Otlp(std::string_view signal, std::string_view name) const;
  bool IsTrue(const std::string& name) const;
  /// "a, b": what stands between the commas.
  static std::vector<std::string> List(std::string_view text);
  /// "name=value,…", values percent-encoded. Only `name` is told of: values may be secret.
  std::map<std::string, std::string> Pairs(std::string_view name, std::string_view text) const;
  /// Zero or more.
  template <class Number>
  void Read(std::string_view name, const std::optional<std::string>& value, Number* into) const {
    if (!value) return;
    Number number = 0;
    const char* const end = value->data() + value->size();
    const auto [read, error] = std::from_chars(value->data(), end, number);
    if (error != std::errc() || read != end || number < 0) {
      Warn(name, *value, "it must be a number, zero or more");
    } else {
      *into = number;
    }
  }
  /// More than zero.
  std::optional<std::chrono::milliseconds> Millis(std::string_view name,
                                                  const std::optional<std::string>& value) const;
  void Warn(std::string_view name, std::string_view value, std::string_view wanted) const;

 private:
  void Tell(std::string warning) const;

  const Environment& environment_;
  std::vector<std::string>* const warnings_;
};

}  // namespace tessera
