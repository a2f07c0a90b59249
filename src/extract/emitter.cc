#include "extract/emitter.h"

#include <algorithm>

#include "extract/ascii.h"
#include "extract/frames.h"

namespace tessera {
namespace {

constexpr std::size_t kTitleBytesMax = 200;

/// Where to cut `text` so that the first part has at most `max` bytes: after a line, a sentence or
/// a word in the last half, else between two characters.
std::size_t CutPoint(std::string_view text, std::size_t max) {
  if (text.size() <= max) return text.size();
  const std::string_view head = text.substr(0, Utf8Cut(text, max));
  for (const std::string_view mark : {"\n", ". ", " "}) {
    const std::size_t found = head.rfind(mark);
    if (found != std::string_view::npos && found >= max / 2) return found + mark.size();
  }
  return head.size();
}

std::string CleanDetail(std::string_view text, std::size_t max) {
  std::string clean = CleanText(text, TextShape::kFlow);
  clean.resize(Utf8Cut(clean, max));
  return clean;
}

DocumentInfo CleanInfo(const DocumentInfo& info) {
  DocumentInfo clean;
  clean.name = CleanDetail(info.name, kNameBytesMax);
  clean.title = CleanDetail(info.title, kDetailBytesMax);
  clean.author = CleanDetail(info.author, kDetailBytesMax);
  clean.media_type = CleanDetail(info.media_type, 127);
  clean.language = CleanDetail(info.language, 35);
  clean.pages = info.pages;
  for (const auto& [key, value] : info.metadata) {
    if (clean.metadata.size() == kDetailsMax) break;
    std::string detail = CleanDetail(value, kDetailBytesMax);
    if (!detail.empty()) clean.metadata[CleanDetail(key, 64)] = std::move(detail);
  }
  for (const std::string& note : info.notes) {
    if (clean.notes.size() == kDetailsMax) break;
    clean.notes.push_back(CleanDetail(note, kDetailBytesMax));
  }
  return clean;
}

/// A workbook's first heading is only the name of its first sheet.
bool NamesItself(const DocumentInfo& info) {
  return !info.media_type.ends_with("spreadsheetml.sheet");
}

}  // namespace

void Emitter::Start(const DocumentInfo& info) {
  if (started_) return;
  started_ = true;
  has_text_ = false;
  first_heading_.clear();
  start_ = CleanInfo(info);
}

void Emitter::SendStart() {
  if (!start_) return;
  ExtractEvent event;
  event.kind = ExtractEvent::Kind::kStart;
  event.info = *std::move(start_);
  start_.reset();
  sink_.Accept(event);
}

ExtractFailure Emitter::Add(Block block) {
  const TextShape shape = block.kind == BlockKind::kCode ? TextShape::kVerbatim : TextShape::kFlow;
  return Add(std::move(block), shape);
}

ExtractFailure Emitter::Add(Block block, TextShape shape) {
  const std::string clean = CleanText(block.text, shape);
  if (clean.empty()) return std::nullopt;
  has_text_ = true;
  block.heading_level = std::min<std::uint8_t>(block.heading_level, 6);
  block.list_depth = std::min<std::uint8_t>(block.list_depth, 15);
  text_bytes_ += clean.size();
  if (text_bytes_ > limits_.text_bytes_max.count) {
    return ExtractError{ExtractCode::kTooLarge,
                        StrCat("more than ", limits_.text_bytes_max.count >> 20,
                               " MiB of text: split the file, or raise text_bytes_max")};
  }
  if (start_ && block.kind == BlockKind::kHeading && start_->title.empty() &&
      NamesItself(*start_)) {
    first_heading_ = clean.substr(0, Utf8Cut(clean, kTitleBytesMax));
    start_->title = first_heading_;
  }
  SendStart();
  ExtractEvent event;
  event.kind = ExtractEvent::Kind::kBlock;
  event.block = std::move(block);
  std::string_view rest = clean;
  const std::size_t max =
      std::clamp<std::size_t>(limits_.block_bytes_max.count, 1024, kBlockBytesMax);
  while (!rest.empty()) {
    const std::size_t cut = CutPoint(rest, max);
    std::string_view piece = rest.substr(0, cut);
    rest.remove_prefix(cut);
    while (!piece.empty() && (piece.back() == ' ' || piece.back() == '\n')) piece.remove_suffix(1);
    if (piece.empty()) continue;
    event.block.text.assign(piece);
    sink_.Accept(event);
    event.block.continues = true;
  }
  return std::nullopt;
}

void Emitter::End(const DocumentInfo& info, ExtractFailure failure) {
  Start(info);
  SendStart();
  started_ = false;
  ExtractEvent event;
  event.kind = ExtractEvent::Kind::kEnd;
  event.info = CleanInfo(info);
  if (event.info.title.empty()) event.info.title = first_heading_;
  if (failure) {
    event.error = ExtractError{failure->code, CleanDetail(failure->message, kDetailBytesMax)};
  }
  sink_.Accept(event);
}

}  // namespace tessera
