#pragma once
// A Status as gRPC's trailers, and back.

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "net/http2.h"

namespace tessera {

/// grpc-status, grpc-message and, where there is more to say (when to come back, which fields are
/// wrong), grpc-status-details-bin. Not movable: the fields point into it.
class StatusTrailers {
 public:
  explicit StatusTrailers(const Status& status);
  StatusTrailers(const StatusTrailers&) = delete;
  std::span<const Http2Field> fields() const { return {fields_.data(), count_}; }

 private:
  std::string code_, message_, details_;
  std::array<Http2Field, 3> fields_;
  std::size_t count_ = 0;
};

/// The status that a reply's last block tells. UNKNOWN when it tells none; what an HTTP error
/// stands for when a proxy answered.
Status StatusOfTrailers(const Http2Headers& trailers);
/// For a reply whose :status is not 200.
Status StatusOfHttp(std::string_view http_status);

/// Text as a value of metadata: bytes outside printable ASCII, '%' and spaces as %XX.
std::string EncodeField(std::string_view text);
/// The same for grpc-message, but spaces stay where they are not at an end, where a field could not
/// have them.
std::string EncodeMessage(std::string_view text);
/// Of both. What is no escape stays as it is, as gRPC wants it.
std::string DecodeField(std::string_view text);

}  // namespace tessera
