#include "model/text_filter.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace tessera {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Scan {
  std::size_t length;  // bytes looked at
  bool valid;
  bool unfinished;  // a good start, but the string ends
};

/// The character at the front of `bytes` (RFC 3629: no overlong forms, no surrogates).
Scan ScanCharacter(std::string_view bytes) {
  const auto lead = static_cast<std::uint8_t>(bytes[0]);
  if (lead < 0x80) return {1, true, false};
  std::size_t length = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;  // bounds of the second byte
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {1, false, false};
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {i, false, true};
    const auto next = static_cast<std::uint8_t>(bytes[i]);
    if (next < low || next > high) return {i, false, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true, false};
}

}  // namespace

void MoveWholeCharacters(std::string& bytes, std::string& text) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const std::string_view rest = std::string_view(bytes).substr(done);
    const Scan scan = ScanCharacter(rest);
    if (scan.unfinished) break;
    text.append(scan.valid ? rest.substr(0, scan.length) : kReplacement);
    done += scan.length;
  }
  bytes.erase(0, done);
}

TextFilter::TextFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, std::string());
}

std::string TextFilter::Push(std::string_view piece) {
  if (stopped_) return {};
  bytes_.append(piece);
  MoveWholeCharacters(bytes_, text_);
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, text_.find(stop));
  if (first != std::string::npos) {
    stopped_ = true;
    std::string out = text_.substr(0, first);
    text_.clear();
    bytes_.clear();
    return out;
  }
  // Hold back the longest end of the text with which a stop string begins.
  std::size_t held = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t length = std::min(stop.size() - 1, text_.size()); length > held; --length) {
      if (text_.ends_with(std::string_view(stop).substr(0, length))) held = length;
    }
  }
  // A stop string that is not UTF-8 must not make us cut inside a character.
  std::size_t cut = text_.size() - held;
  while (cut > 0 && cut < text_.size() && (static_cast<std::uint8_t>(text_[cut]) & 0xC0) == 0x80)
    --cut;
  std::string out = text_.substr(0, cut);
  text_.erase(0, cut);
  return out;
}

std::string TextFilter::Finish() {
  bytes_.clear();
  return std::exchange(text_, {});
}

}  // namespace tessera
