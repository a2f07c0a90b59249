#include "telemetry/otel_variables.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_split.h"
#include "base/hex.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kValueShown = 100;

// Nothing when a '%' has no two digits behind it.
std::optional<std::string> PercentDecoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size() || HexDigit(text[i + 1]) < 0 || HexDigit(text[i + 2]) < 0)
      return std::nullopt;
    decoded += BytesOfHex(text.substr(i + 1, 2));
    i += 2;
  }
  return decoded;
}

}  // namespace

Environment OwnEnvironment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* const value = ::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

std::optional<std::string> OtelVariables::Get(const std::string& name) const {
  const std::optional<std::string> value = environment_(name.c_str());
  if (!value || Trim(*value).empty()) return std::nullopt;
  return std::string(Trim(*value));
}

std::optional<std::string> OtelVariables::Otlp(std::string_view signal,
                                               std::string_view name) const {
  auto value = Get(StrCat("OTEL_EXPORTER_OTLP_", signal, "_", name));
  return value ? value : Get(StrCat("OTEL_EXPORTER_OTLP_", name));
}

bool OtelVariables::IsTrue(const std::string& name) const {
  return EqualsIgnoreCase(Get(name).value_or(""), "true");
}

std::vector<std::string> OtelVariables::List(std::string_view text) {
  std::vector<std::string> all;
  for (const absl::string_view part : absl::StrSplit(AbslView(text), ',')) {
    if (const std::string_view one = Trim(StdView(part)); !one.empty()) all.emplace_back(one);
  }
  return all;
}

std::map<std::string, std::string> OtelVariables::Pairs(std::string_view name,
                                                        std::string_view text) const {
  std::map<std::string, std::string> pairs;
  for (const std::string& one : List(text)) {
    const std::size_t equals = one.find('=');
    const auto value = equals == one.npos
                           ? std::nullopt
                           : PercentDecoded(Trim(std::string_view(one).substr(equals + 1)));
    if (equals == 0 || !value) {
      Tell(StrCat(name, ": entries are name=value, percent-encoded; one is left out"));
    } else {
      pairs[std::string(Trim(std::string_view(one).substr(0, equals)))] = *value;
    }
  }
  return pairs;
}

std::optional<std::chrono::milliseconds> OtelVariables::Millis(
    std::string_view name, const std::optional<std::string>& value) const {
  std::int64_t count = -1;
  Read(name, value, &count);
  if (count == 0) Warn(name, "0", "it must be a number of milliseconds, more than zero");
  if (count <= 0) return std::nullopt;
  return std::chrono::milliseconds(count);
}

void OtelVariables::Warn(std::string_view name, std::string_view value,
                         std::string_view wanted) const {
  Tell(StrCat(name, " is \"", value.substr(0, kValueShown), "\", which is left out: ", wanted));
}

// Once: what is said of all signals is read for each.
void OtelVariables::Tell(std::string warning) const {
  if (std::ranges::find(*warnings_, warning) == warnings_->end())
    warnings_->push_back(std::move(warning));
}

}  // namespace tessera
