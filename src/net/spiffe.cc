#include "net/spiffe.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr std::size_t kBytesMax = 2048;
constexpr std::size_t kDomainBytesMax = 255;

bool IsDomainChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool IsPathChar(char c) { return IsDomainChar(c) || (c >= 'A' && c <= 'Z'); }

}  // namespace

std::string SpiffeId::ToString() const {
  std::string text = StrCat(kScheme, trust_domain);
  for (const std::string& segment : segments) StrAppend(&text, "/", segment);
  return text;
}

Result<SpiffeId> ParseSpiffeId(std::string_view text) {
  if (text.size() > kBytesMax || !text.starts_with(kScheme)) {
    return absl::InvalidArgumentError("it does not begin with spiffe://, or is too long");
  }
  text.remove_prefix(kScheme.size());
  const std::string_view domain = text.substr(0, text.find('/'));
  if (domain.empty() || domain.size() > kDomainBytesMax ||
      !std::all_of(domain.begin(), domain.end(), IsDomainChar)) {
    return absl::InvalidArgumentError(
        "its trust domain is not of lower-case letters, digits, dots, dashes and underscores");
  }
  SpiffeId id{.trust_domain = std::string(domain), .segments = {}};
  text.remove_prefix(domain.size());
  while (!text.empty()) {
    text.remove_prefix(1);
    const std::string_view segment = text.substr(0, text.find('/'));
    if (segment.empty() || segment == "." || segment == ".." ||
        !std::all_of(segment.begin(), segment.end(), IsPathChar)) {
      return absl::InvalidArgumentError(
          "its path has an empty part, or one of other than letters, digits, dots, dashes and "
          "underscores");
    }
    id.segments.emplace_back(segment);
    text.remove_prefix(segment.size());
  }
  return id;
}

bool MeetsSpiffeId(std::string_view expected, std::string_view id) {
  if (expected.ends_with('/')) return id.starts_with(expected) && id.size() > expected.size();
  return expected.empty() || id == expected;
}

}  // namespace tessera
