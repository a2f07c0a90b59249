#include "net/sse.h"

#include <utility>

namespace tessera {

std::string SseEvent(std::string_view data, std::string_view event) {
  std::string out;
  out.reserve(data.size() + event.size() + 24);
  if (!event.empty()) out.append("event: ").append(event).append("\n");
  do {
    const std::size_t end = data.find_first_of("\r\n");
    out.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    const bool crlf = data.substr(end, 2) == "\r\n";
    data.remove_prefix(end + (crlf ? 2 : 1));
  } while (true);
  out.append("\n");
  return out;
}

Status SseReader::Feed(std::string_view piece) {
  if (at_ > 0) {
    buffer_.erase(0, at_);
    scanned_ -= at_;
    at_ = 0;
  }
  buffer_.append(piece);
  if (buffer_.size() + event_.data.size() > event_max_ + piece.size()) {
    return absl::ResourceExhaustedError("an event of the stream is too long");
  }
  return absl::OkStatus();
}

std::optional<std::string_view> SseReader::Line() {
  const std::size_t end = buffer_.find_first_of("\r\n", scanned_);
  if (end == std::string::npos) {
    scanned_ = buffer_.size();
    return std::nullopt;
  }
  std::size_t next = end + 1;
  if (buffer_[end] == '\r') {
    // A CR at the very end may be half of CRLF: wait for what follows.
    if (next == buffer_.size()) {
      scanned_ = end;
      return std::nullopt;
    }
    if (buffer_[next] == '\n') ++next;
  }
  const std::string_view line = std::string_view(buffer_).substr(at_, end - at_);
  at_ = scanned_ = next;
  return line;
}

std::optional<SseReader::Event> SseReader::Next() {
  while (const auto line = Line()) {
    if (line->empty()) {
      if (!std::exchange(has_data_, false)) {
        event_ = {};
        continue;
      }
      Event event = std::exchange(event_, {});
      if (event.event.empty()) event.event = "message";
      return event;
    }
    const std::size_t colon = line->find(':');
    const std::string_view name = line->substr(0, colon);
    std::string_view value;
    if (colon != std::string_view::npos) value = line->substr(colon + 1);
    if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    if (name == "data") {
      if (has_data_) event_.data.push_back('\n');
      event_.data.append(value);
      has_data_ = true;
    } else if (name == "event") {
      event_.event.assign(value);
    }
  }
  return std::nullopt;
}

}  // namespace tessera
