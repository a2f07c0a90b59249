#include "services/dataprep/utf8.h"

namespace tessera {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

struct Lead {
  std::size_t length = 0;  // 0: not a lead byte
  char32_t bits = 0;
  char32_t smallest = 0;
};

Lead ReadLead(unsigned char byte) {
  if (byte < 0x80) return {1, byte, 0};
  if (byte >= 0xc2 && byte < 0xe0) return {2, byte & 0x1fu, 0x80};
  if (byte >= 0xe0 && byte < 0xf0) return {3, byte & 0x0fu, 0x800};
  if (byte >= 0xf0 && byte < 0xf5) return {4, byte & 0x07u, 0x10000};
  return {};
}

}  // namespace

char32_t NextCodePoint(std::string_view text, std::size_t& i) {
  const Lead lead = ReadLead(static_cast<unsigned char>(text[i]));
  if (lead.length == 0 || i + lead.length > text.size()) {
    ++i;
    return kReplacementCharacter;
  }
  char32_t c = lead.bits;
  for (std::size_t k = 1; k < lead.length; ++k) {
    if (!IsContinuation(text[i + k])) {
      ++i;
      return kReplacementCharacter;
    }
    c = (c << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3fu);
  }
  if (c < lead.smallest || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
    ++i;
    return kReplacementCharacter;
  }
  i += lead.length;
  return c;
}

void AppendCodePoint(std::string& out, char32_t c) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | (c >> 6));
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3f));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

std::size_t FloorBoundary(std::string_view text, std::size_t i) {
  if (i >= text.size()) return text.size();
  while (i > 0 && IsContinuation(text[i])) --i;
  return i;
}

bool IsValidUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    if (NextCodePoint(text, i) == kReplacementCharacter && i == begin + 1) return false;
  }
  return true;
}

std::string MakeValidUtf8(std::string text) {
  if (IsValidUtf8(text)) return text;
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size();) AppendCodePoint(out, NextCodePoint(text, i));
  return out;
}

}  // namespace tessera
