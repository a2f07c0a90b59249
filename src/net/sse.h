#pragma once
// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): writing them
// and reading them from a byte stream cut anywhere.

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tessera {

/// "data: …\n\n", one data line a line of `data`; with "event: name" first when `event` is given.
std::string SseEvent(std::string_view data, std::string_view event = {});

/// Reads events out of pieces of a stream. Not thread-safe.
class SseReader {
 public:
  struct Event {
    std::string event;  ///< "message" when the stream does not say
    std::string data;
  };
  /// `event_max`: the most bytes that one event may have.
  explicit SseReader(std::size_t event_max = std::size_t{1} << 20) : event_max_(event_max) {}

  /// Takes a piece; RESOURCE_EXHAUSTED when an event is too long.
  Status Feed(std::string_view piece);
  /// The next whole event, or nothing until more is fed.
  std::optional<Event> Next();

 private:
  std::optional<std::string_view> Line();

  std::size_t event_max_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::size_t scanned_ = 0;
  bool has_data_ = false;
  Event event_;
};

}  // namespace tessera
