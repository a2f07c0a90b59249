#include "net/header_values.h"

#include <algorithm>
#include <limits>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kItemsMax = 32;

// Takes the text up to the next `separator` outside quotes off the front of `rest`.
std::string_view TakeUntil(std::string_view& rest, char separator) {
  bool quoted = false;
  std::size_t i = 0;
  for (; i < rest.size(); ++i) {
    if (quoted && rest[i] == '\\') {
      ++i;
    } else if (rest[i] == '"') {
      quoted = !quoted;
    } else if (rest[i] == separator && !quoted) {
      break;
    }
  }
  i = std::min(i, rest.size());
  const std::string_view taken = rest.substr(0, i);
  rest.remove_prefix(std::min(i + 1, rest.size()));
  return Trim(taken);
}

// "0.25" as 250; 0 when malformed.
int ParseWeight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
  int weight = (text[0] - '0') * 1000;
  if (text.size() > 1 && text[1] != '.') return 0;
  int unit = 100;
  for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (c < '0' || c > '9') return 0;
    weight += (c - '0') * unit;
    unit /= 10;
  }
  return std::min(weight, 1000);
}

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  if (text.empty() || text.size() > 19) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

}  // namespace

std::vector<Weighted> ParseWeightedList(std::string_view header) {
  std::vector<Weighted> items;
  while (!header.empty() && items.size() < kItemsMax) {
    std::string_view item = TakeUntil(header, ',');
    Weighted weighted;
    weighted.value = ToLower(TakeUntil(item, ';'));
    if (weighted.value.empty()) continue;
    while (!item.empty()) {
      const std::string_view parameter = TakeUntil(item, ';');
      if (parameter.size() >= 2 && ToLower(parameter[0]) == 'q' && parameter[1] == '=') {
        weighted.weight = ParseWeight(parameter.substr(2));
      }
    }
    items.push_back(std::move(weighted));
  }
  return items;
}

bool Accepts(std::string_view accept, std::string_view media_type) {
  if (Trim(accept).empty()) return true;
  const std::string_view type = media_type.substr(0, media_type.find('/'));
  // The most specific item that matches decides (RFC 9110 §12.5.1).
  int best_rank = -1;
  int weight = 0;
  for (const Weighted& item : ParseWeightedList(accept)) {
    int rank = -1;
    if (item.value == "*/*") rank = 0;
    if (item.value == StrCat(type, "/*")) rank = 1;
    if (item.value == media_type) rank = 2;
    if (rank > best_rank) {
      best_rank = rank;
      weight = item.weight;
    }
  }
  return best_rank >= 0 && weight > 0;
}

std::string MediaType(std::string_view content_type) {
  return ToLower(Trim(content_type.substr(0, content_type.find(';'))));
}

std::optional<std::string> Parameter(std::string_view value, std::string_view name) {
  TakeUntil(value, ';');
  while (!value.empty()) {
    const std::string_view parameter = TakeUntil(value, ';');
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    if (!EqualsIgnoreCase(Trim(parameter.substr(0, equals)), name)) continue;
    std::string_view text = Trim(parameter.substr(equals + 1));
    if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string(text);
    text = text.substr(1, text.size() - 2);
    std::string unquoted;
    for (std::size_t i = 0; i < text.size(); ++i) {
      // Browsers send a plain backslash in file names (HTML §4.10.21.8): only \" and \\ escape.
      if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\'))
        ++i;
      unquoted.push_back(text[i]);
    }
    return unquoted;
  }
  return std::nullopt;
}

RangeRequest ParseRange(std::string_view header, std::uint64_t size) {
  RangeRequest whole;
  whole.range = {0, size};
  constexpr std::string_view kUnit = "bytes=";
  if (header.size() <= kUnit.size() || !EqualsIgnoreCase(header.substr(0, kUnit.size()), kUnit)) {
    return whole;
  }
  const std::string_view spec = Trim(header.substr(kUnit.size()));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return whole;
  const auto first = ParseNumber(Trim(spec.substr(0, dash)));
  const auto last = ParseNumber(Trim(spec.substr(dash + 1)));
  if (!first && dash != 0) return whole;
  if (!last && dash + 1 != spec.size()) return whole;
  RangeRequest part;
  part.kind = RangeRequest::Kind::kPart;
  if (!first) {
    if (!last) return whole;
    if (*last == 0 || size == 0) {
      part.kind = RangeRequest::Kind::kUnsatisfiable;
      return part;
    }
    part.range.size = std::min(*last, size);
    part.range.offset = size - part.range.size;
    return part;
  }
  if (last && *last < *first) return whole;
  if (*first >= size) {
    part.kind = RangeRequest::Kind::kUnsatisfiable;
    return part;
  }
  part.range.offset = *first;
  part.range.size = std::min(last.value_or(size - 1), size - 1) - *first + 1;
  return part;
}

bool MatchesEtag(std::string_view header, std::string_view etag) {
  const auto opaque = [](std::string_view tag) {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
  };
  while (!header.empty()) {
    const std::string_view tag = TakeUntil(header, ',');
    if (tag == "*" || (!tag.empty() && opaque(tag) == opaque(etag))) return true;
  }
  return false;
}

}  // namespace tessera
