#pragma once
// The wire between a worker and the platform: events as length-prefixed frames over a pipe. The
// platform trusts nothing that it reads: lengths, kinds and UTF-8 are checked.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"
#include "extract/block.h"

namespace tessera {

inline constexpr std::size_t kFrameBytesMax = 1u << 20;
inline constexpr std::size_t kNameBytesMax = 4096;    ///< name and title
inline constexpr std::size_t kDetailBytesMax = 1024;  ///< author, each metadata value, each note
inline constexpr std::size_t kDetailsMax = 32;        ///< metadata entries; notes
inline constexpr std::size_t kBlockBytesMax = 256u << 10;

/// Appends the frame of `event` to `out`; details above the limits are cut.
void AppendFrame(const ExtractEvent& event, std::string& out);

/// Appends the frame that only says "still at work".
void AppendHeartbeat(std::string& out);

/// Appends the last frame: everything was sent.
void AppendDone(std::string& out);

/// Cuts frames out of a byte stream.
class FrameReader {
 public:
  enum class Found { kEvent, kHeartbeat, kDone, kMore };
  /// Adds bytes as they came from the pipe.
  void Feed(std::string_view bytes);
  /// The next frame, if it is whole; kEvent fills `event`. INVALID_ARGUMENT: not a frame that a
  /// sound worker sends; the stream is of no more use.
  Result<Found> Next(ExtractEvent& event);

 private:
  std::string buffer_;
  std::size_t start_ = 0;
};

}  // namespace tessera
