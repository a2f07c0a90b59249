#include "remote/message_frame.h"

#include <algorithm>

#include "net/compress.h"

namespace tessera {
namespace {

constexpr std::size_t kPrefix = 5;

void PutPrefix(char* at, bool compressed, std::size_t size) {
  at[0] = compressed ? 1 : 0;
  for (int i = 0; i < 4; ++i) at[1 + i] = static_cast<char>(size >> (24 - 8 * i));
}

}  // namespace

Result<std::string> FrameOf(const google::protobuf::MessageLite& message) {
  const std::size_t size = message.ByteSizeLong();
  if (size > 0x7fffffff) return absl::ResourceExhaustedError("the message is above 2 GB");
  std::string frame(kPrefix + size, '\0');
  PutPrefix(frame.data(), false, size);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(frame.data()) + kPrefix);
  return frame;
}

std::string Gzipped(std::string frame) {
  const std::string packed = Compress(Coding::kGzip, std::string_view(frame).substr(kPrefix));
  if (packed.size() + kPrefix >= frame.size()) return frame;
  std::string compressed(kPrefix, '\0');
  PutPrefix(compressed.data(), true, packed.size());
  compressed.append(packed);
  return compressed;
}

Result<std::optional<RawMessage>> MessageReader::Take(Http2Stream& stream) {
  const std::string_view body = stream.body();
  std::size_t needed = kPrefix;
  if (body.size() >= kPrefix) {
    const auto byte = [&body](std::size_t i) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(body[i]));
    };
    const std::uint32_t size = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
    if (byte(0) > 1) return absl::InternalError("the message has a flag that does not exist");
    if (size > bytes_max_) {
      return absl::ResourceExhaustedError(
          StrCat("the message has ", size, " bytes; at most ", bytes_max_, " are taken"));
    }
    needed += size;
  }
  if (body.size() < needed) {
    stream.Consume(body.size() - granted_);
    granted_ = body.size();
    return std::nullopt;
  }
  RawMessage message{.bytes = std::string(body.substr(kPrefix, needed - kPrefix)),
                     .compressed = body[0] == 1};
  stream.Consume(needed - std::min(needed, granted_));
  granted_ = 0;
  stream.Drop(needed);
  return message;
}

Status ParseMessage(const RawMessage& raw, std::uint64_t bytes_max,
                    google::protobuf::MessageLite* message) {
  if (!raw.compressed) {
    if (message->ParseFromString(raw.bytes)) return absl::OkStatus();
  } else {
    const Result<std::string> bytes = Decompress(Coding::kGzip, raw.bytes, bytes_max);
    if (!bytes.ok()) {
      if (bytes.status().code() == absl::StatusCode::kResourceExhausted) return bytes.status();
      return absl::InternalError(StrCat("the message is not gzip: ", bytes.status().message()));
    }
    if (message->ParseFromString(*bytes)) return absl::OkStatus();
  }
  return absl::InternalError("the message is not what the method takes");
}

}  // namespace tessera
