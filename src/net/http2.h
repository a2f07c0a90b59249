#pragma once
// HTTP/2 (RFC 9113) as its users see it: limits, header fields, error codes.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace tessera {

/// Limits of one connection, on either side.
struct Http2Limits {
  std::uint32_t streams_max = 1024;           ///< open at once, asked for by the peer
  std::uint32_t header_bytes_max = 16 << 10;  ///< of one block: names, values and 32 a field
  /// Bytes that a peer may send on one stream before they are consumed; so many are buffered.
  std::uint32_t stream_window_bytes = 256 << 10;
  std::uint32_t connection_window_bytes = 4 << 20;
  /// Unsent bytes of a stream above which its writer is told to wait.
  std::uint32_t unsent_bytes_high = 128 << 10;
  Duration preface_timeout = std::chrono::seconds(10);  ///< until the peer's SETTINGS
  Duration ping_after = std::chrono::seconds(20);       ///< without a byte from the peer; 0: never
  Duration ping_timeout = std::chrono::seconds(10);     ///< until something comes after a ping
  Duration drain_notice = std::chrono::milliseconds(200);  ///< between the two GOAWAYs of a drain
  std::uint32_t resets_burst = 1000;      ///< RST_STREAMs of a peer at once (rapid reset) …
  std::uint32_t resets_per_second = 200;  ///< … and for long; beyond that the connection is closed
  std::uint32_t control_frames_burst = 1000;      ///< pings, settings, empty data, window updates
  std::uint32_t control_frames_per_second = 100;  ///< real headers and data allow more besides
};

/// RFC 9113, 7.
enum class Http2Error : std::uint32_t {
  kNoError = 0,
  kProtocolError = 1,
  kInternalError = 2,
  kFlowControlError = 3,
  kRefusedStream = 7,  ///< the peer did nothing with the stream: it may be sent again
  kCancel = 8,
  kEnhanceYourCalm = 11,
};

/// A field to send. `secret` fields and those that hardly repeat stay out of the peer's table.
struct Http2Field {
  std::string_view name;  ///< lower-case
  std::string_view value;
  bool indexed = true;
};

/// The fields of a block that was received, pseudo fields included, in one piece of memory.
class Http2Headers {
 public:
  void Add(std::string_view name, std::string_view value);
  /// The first field of this name.
  std::optional<std::string_view> Find(std::string_view name) const;
  std::size_t size() const { return entries_.size(); }
  std::string_view name(std::size_t i) const;
  std::string_view value(std::size_t i) const;
  /// As RFC 9113 counts: 32 a field besides names and values.
  std::size_t bytes() const { return text_.size() + 32 * entries_.size(); }

 private:
  struct Entry {
    std::uint32_t begin, value_begin, end;
  };
  std::string text_;
  std::vector<Entry> entries_;
};

}  // namespace tessera
