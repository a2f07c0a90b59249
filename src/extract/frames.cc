#include "extract/frames.h"

#include <algorithm>
#include <cstring>

#include "extract/text.h"

namespace tessera {
namespace {

enum FrameType : std::uint8_t { kStart = 1, kBlock = 2, kEnd = 3, kHeartbeat = 4, kDone = 5 };
constexpr std::size_t kHeaderBytes = 5;

void PutU8(std::uint8_t value, std::string& out) { out.push_back(static_cast<char>(value)); }

void PutU32(std::uint32_t value, std::string& out) {
  char bytes[4];
  std::memcpy(bytes, &value, 4);  // both ends are one machine
  out.append(bytes, 4);
}

void PutText(std::string_view text, std::size_t max, std::string& out) {
  text = text.substr(0, Utf8Cut(text, max));
  PutU32(static_cast<std::uint32_t>(text.size()), out);
  out.append(text);
}

void PutInfo(const DocumentInfo& info, std::string& out) {
  PutText(info.name, kNameBytesMax, out);
  PutText(info.title, kNameBytesMax, out);
  PutText(info.author, kDetailBytesMax, out);
  PutText(info.media_type, kDetailBytesMax, out);
  PutText(info.language, kDetailBytesMax, out);
  PutU32(info.pages, out);
  PutU32(static_cast<std::uint32_t>(std::min(info.metadata.size(), kDetailsMax)), out);
  std::size_t count = 0;
  for (const auto& [key, value] : info.metadata) {
    if (count++ == kDetailsMax) break;
    PutText(key, kDetailBytesMax, out);
    PutText(value, kDetailBytesMax, out);
  }
  const std::size_t notes = std::min(info.notes.size(), kDetailsMax);
  PutU32(static_cast<std::uint32_t>(notes), out);
  for (std::size_t i = 0; i < notes; ++i) PutText(info.notes[i], kDetailBytesMax, out);
}

void PutBlock(const Block& block, std::string& out) {
  PutU8(static_cast<std::uint8_t>(block.kind), out);
  PutU8(block.heading_level, out);
  PutU8(block.list_depth, out);
  PutU8((block.continues ? 1 : 0) | (block.page_edge ? 2 : 0), out);
  PutU32(block.page, out);
  PutText(block.text, kBlockBytesMax, out);
}

template <class Body>
void PutFrame(FrameType type, Body body, std::string& out) {
  const std::size_t start = out.size();
  PutU32(0, out);
  PutU8(type, out);
  body();
  const auto length = static_cast<std::uint32_t>(out.size() - start - kHeaderBytes);
  std::memcpy(out.data() + start, &length, 4);
}

/// Reads the fields of one frame; the first mistake makes everything after it fail too.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}
  bool sound() const { return sound_; }
  bool done() const { return sound_ && rest_.empty(); }

  std::uint8_t U8(std::uint8_t max) {
    const std::string_view bytes = Take(1);
    const auto value = bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
    sound_ = sound_ && value <= max;
    return sound_ ? value : 0;
  }
  std::uint32_t U32() {
    const std::string_view bytes = Take(4);
    std::uint32_t value = 0;
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), 4);
    return value;
  }
  std::string Text(std::size_t max) {
    const std::uint32_t length = U32();
    sound_ = sound_ && length <= max;
    const std::string_view text = Take(sound_ ? length : 0);
    sound_ = sound_ && IsUtf8(text) && text.find('\0') == std::string_view::npos;
    return sound_ ? std::string(text) : std::string();
  }
  std::size_t Count() {
    const std::uint32_t count = U32();
    sound_ = sound_ && count <= kDetailsMax;
    return sound_ ? count : 0;
  }

 private:
  std::string_view Take(std::size_t length) {
    if (!sound_ || rest_.size() < length) {
      sound_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }

  std::string_view rest_;
  bool sound_ = true;
};

DocumentInfo TakeInfo(Fields& fields) {
  DocumentInfo info;
  info.name = fields.Text(kNameBytesMax);
  info.title = fields.Text(kNameBytesMax);
  info.author = fields.Text(kDetailBytesMax);
  info.media_type = fields.Text(kDetailBytesMax);
  info.language = fields.Text(kDetailBytesMax);
  info.pages = fields.U32();
  for (std::size_t left = fields.Count(); left > 0; --left) {
    std::string key = fields.Text(kDetailBytesMax);
    info.metadata.insert_or_assign(std::move(key), fields.Text(kDetailBytesMax));
  }
  for (std::size_t left = fields.Count(); left > 0; --left) {
    info.notes.push_back(fields.Text(kDetailBytesMax));
  }
  return info;
}

Block TakeBlock(Fields& fields) {
  Block block;
  block.kind = static_cast<BlockKind>(fields.U8(static_cast<std::uint8_t>(BlockKind::kQuote)));
  block.heading_level = fields.U8(6);
  block.list_depth = fields.U8(15);
  const std::uint8_t flags = fields.U8(3);
  block.continues = (flags & 1) != 0;
  block.page_edge = (flags & 2) != 0;
  block.page = fields.U32();
  block.text = fields.Text(kBlockBytesMax);
  return block;
}

}  // namespace

void AppendFrame(const ExtractEvent& event, std::string& out) {
  switch (event.kind) {
    case ExtractEvent::Kind::kStart:
      PutFrame(kStart, [&] { PutInfo(event.info, out); }, out);
      return;
    case ExtractEvent::Kind::kBlock:
      PutFrame(kBlock, [&] { PutBlock(event.block, out); }, out);
      return;
    case ExtractEvent::Kind::kEnd:
      PutFrame(
          kEnd,
          [&] {
            PutInfo(event.info, out);
            PutU8(event.error ? 1 : 0, out);
            if (!event.error) return;
            PutU8(static_cast<std::uint8_t>(event.error->code), out);
            PutText(event.error->message, kDetailBytesMax, out);
          },
          out);
      return;
  }
}

void AppendHeartbeat(std::string& out) {
  PutFrame(kHeartbeat, [] {}, out);
}

void AppendDone(std::string& out) {
  PutFrame(kDone, [] {}, out);
}

void FrameReader::Feed(std::string_view bytes) {
  if (start_ > 0) {
    buffer_.erase(0, start_);
    start_ = 0;
  }
  buffer_.append(bytes);
}

Result<FrameReader::Found> FrameReader::Next(ExtractEvent& event) {
  const std::string_view rest = std::string_view(buffer_).substr(start_);
  if (rest.size() < kHeaderBytes) return Found::kMore;
  std::uint32_t length = 0;
  std::memcpy(&length, rest.data(), 4);
  if (length > kFrameBytesMax) return absl::InvalidArgumentError("worker frame above its limit");
  if (rest.size() < kHeaderBytes + length) return Found::kMore;
  const auto type = static_cast<std::uint8_t>(rest[4]);
  Fields fields(rest.substr(kHeaderBytes, length));
  start_ += kHeaderBytes + length;
  event = {};
  Found found = Found::kEvent;
  switch (type) {
    case kStart:
      event.kind = ExtractEvent::Kind::kStart;
      event.info = TakeInfo(fields);
      break;
    case kBlock:
      event.kind = ExtractEvent::Kind::kBlock;
      event.block = TakeBlock(fields);
      break;
    case kEnd:
      event.kind = ExtractEvent::Kind::kEnd;
      event.info = TakeInfo(fields);
      if (fields.U8(1) == 1) {
        ExtractError error;
        error.code =
            static_cast<ExtractCode>(fields.U8(static_cast<std::uint8_t>(ExtractCode::kInternal)));
        error.message = fields.Text(kDetailBytesMax);
        event.error = std::move(error);
      }
      break;
    case kHeartbeat:
      found = Found::kHeartbeat;
      break;
    case kDone:
      found = Found::kDone;
      break;
    default:
      return absl::InvalidArgumentError("worker frame of an unknown type");
  }
  if (!fields.done()) return absl::InvalidArgumentError("worker frame is malformed");
  return found;
}

}  // namespace tessera
