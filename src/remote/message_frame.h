#pragma once
// gRPC's messages on a stream: a flag, four bytes of length, the message.

#include <optional>
#include <string>
#include <string_view>

#include <google/protobuf/message_lite.h>

#include "base/status.h"
#include "net/http2_stream.h"

namespace tessera {

/// A message as it came.
struct RawMessage {
  std::string bytes;
  bool compressed = false;
};

/// `message` with its prefix. RESOURCE_EXHAUSTED above protobuf's 2 GB.
Result<std::string> FrameOf(const google::protobuf::MessageLite& message);
/// The same, compressed; the plain frame when that is not larger.
std::string Gzipped(std::string frame);

/// Takes whole messages off a stream and lets the peer send as many bytes more.
class MessageReader {
 public:
  explicit MessageReader(std::uint32_t bytes_max) : bytes_max_(bytes_max) {}
  /// Nothing while the next message is not there as a whole. RESOURCE_EXHAUSTED when it is too
  /// large, INTERNAL when it is no message.
  Result<std::optional<RawMessage>> Take(Http2Stream& stream);
  /// Bytes of a message that was cut short are left.
  static bool Cut(const Http2Stream& stream) { return !stream.body().empty(); }

 private:
  const std::uint32_t bytes_max_;
  std::size_t granted_ = 0;  ///< bytes of the unfinished message that were consumed already
};

/// Undoes the compression and parses. INTERNAL when it is broken, as gRPC has it.
Status ParseMessage(const RawMessage& raw, std::uint64_t bytes_max,
                    google::protobuf::MessageLite* message);

}  // namespace tessera
