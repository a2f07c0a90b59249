#include "config/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/str.h"

namespace tessera {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr std::array<Unit, 8> kTime{{{"d", 86'400'000'000'000},
                                     {"h", 3'600'000'000'000},
                                     {"m", 60'000'000'000},
                                     {"s", 1'000'000'000},
                                     {"ms", 1'000'000},
                                     {"us", 1'000},
                                     {"µs", 1'000},
                                     {"ns", 1}}};
constexpr std::array<Unit, 11> kSizes{{{"TiB", std::int64_t{1} << 40},
                                       {"GiB", std::int64_t{1} << 30},
                                       {"MiB", std::int64_t{1} << 20},
                                       {"KiB", std::int64_t{1} << 10},
                                       {"B", 1},
                                       {"TB", 1'000'000'000'000},
                                       {"GB", 1'000'000'000},
                                       {"MB", 1'000'000},
                                       {"kB", 1'000},
                                       {"KB", 1'000},
                                       {"", 1}}};

constexpr double kMax = 9.2e18;

// Reads a number without sign or exponent at the front of `text` and removes it.
bool TakeNumber(std::string_view& text, double& number) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view digits = text.substr(0, end);
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end == 0 || stop != digits.data() + end) return false;
  text.remove_prefix(end);
  return true;
}

template <std::size_t N>
const Unit* TakeUnit(std::string_view& text, const std::array<Unit, N>& units) {
  const std::size_t end = std::min(text.find_first_of("0123456789."), text.size());
  for (const Unit& unit : units) {
    if (unit.name != text.substr(0, end)) continue;
    text.remove_prefix(end);
    return &unit;
  }
  return nullptr;
}

}  // namespace

Result<std::int64_t> ParseDuration(std::string_view text) {
  Status bad = absl::InvalidArgumentError("not a duration; write for example 30s or 1m30s");
  if (text == "0") return 0;
  if (text.empty()) return bad;
  double total = 0;
  while (!text.empty()) {
    double number = 0;
    if (!TakeNumber(text, number)) return bad;
    const Unit* unit = TakeUnit(text, kTime);
    if (unit == nullptr) return bad;
    total += number * static_cast<double>(unit->factor);
    if (total > kMax) return absl::InvalidArgumentError("the duration is too long");
  }
  return static_cast<std::int64_t>(std::llround(total));
}

std::string FormatDuration(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  std::string out;
  std::int64_t rest = nanoseconds;
  for (const Unit& unit : kTime) {
    if (unit.name == "µs" || rest < unit.factor) continue;
    StrAppend(&out, rest / unit.factor, unit.name);
    rest %= unit.factor;
  }
  return out;
}

Result<std::int64_t> ParseBytes(std::string_view text) {
  Status bad = absl::InvalidArgumentError("not a size; write for example 64MiB");
  double number = 0;
  if (!TakeNumber(text, number)) return bad;
  if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const Unit* unit = TakeUnit(text, kSizes);
  if (unit == nullptr || !text.empty()) return bad;
  const double total = number * static_cast<double>(unit->factor);
  if (total > kMax) return absl::InvalidArgumentError("the size is too large");
  return static_cast<std::int64_t>(std::llround(total));
}

std::string FormatBytes(std::int64_t bytes) {
  for (std::size_t i = 0; i < 4; ++i) {
    const Unit& unit = kSizes[i];
    if (bytes != 0 && bytes % unit.factor == 0) return StrCat(bytes / unit.factor, unit.name);
  }
  return std::to_string(bytes);
}

}  // namespace tessera
