#pragma once
// Values of header fields that have a grammar: weighted lists, media types, ranges, entity tags.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// An item of Accept, Accept-Encoding …: lower case, without parameters, weight in thousandths.
struct Weighted {
  std::string value;
  int weight = 1000;
};
/// At most 32 items; malformed ones are left out, bad weights count as 0.
std::vector<Weighted> ParseWeightedList(std::string_view header);

/// True when an Accept value allows `media_type` ("application/json"); an empty one allows all.
bool Accepts(std::string_view accept, std::string_view media_type);

/// "text/html" of "Text/HTML; charset=utf-8".
std::string MediaType(std::string_view content_type);
/// A parameter of a structured value, unquoted: boundary of multipart/form-data; boundary="x".
std::optional<std::string> Parameter(std::string_view value, std::string_view name);

/// One byte range of a representation of known size.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};
struct RangeRequest {
  enum class Kind : std::uint8_t { kWhole, kPart, kUnsatisfiable };
  Kind kind = Kind::kWhole;
  ByteRange range;
};
/// What a Range header asks of `size` bytes. More than one range, other units and malformed headers
/// mean the whole, as RFC 9110 §14.2 allows.
RangeRequest ParseRange(std::string_view header, std::uint64_t size);

/// True when a list of entity tags (If-None-Match, If-Match) holds `etag` or "*", weakly compared.
bool MatchesEtag(std::string_view header, std::string_view etag);

}  // namespace tessera
