#include "extract/text.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <iconv.h>
#include <uchardet/uchardet.h>
#include <utf8proc.h>

#include "extract/ascii.h"
#include "simdjson.h"

namespace tessera {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

void AppendUtf8(char32_t c, std::string& out) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
}

/// Takes one character off the front of `text`; a bad byte is U+FFFD.
char32_t TakeChar(std::string_view& text) {
  utf8proc_int32_t c = -1;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto length = utf8proc_iterate(
      bytes, static_cast<utf8proc_ssize_t>(std::min<std::size_t>(text.size(), 4)), &c);
  if (length <= 0) {
    text.remove_prefix(1);
    return kReplacement;
  }
  text.remove_prefix(static_cast<std::size_t>(length));
  return static_cast<char32_t>(c);
}

bool IsOddSpace(char32_t c) {
  return c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

/// Characters without a visible form that only disturb search: zero-width space, word joiner, byte
/// order mark, direction marks, C1 controls, private use (glyph numbers of PDF fonts), tags,
/// noncharacters. The joiners U+200C and U+200D stay: Indic scripts and emoji need them.
bool IsInvisible(char32_t c) {
  return c == 0x200B || c == 0x2060 || c == 0xFEFF || c == 0x200E || c == 0x200F ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || (c >= 0x80 && c <= 0x9F) ||
         (c >= 0xE000 && c <= 0xF8FF) || c >= 0xE0000 || (c >= 0xFFF9 && c <= 0xFFFC) ||
         (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE;
}

const char* Ligature(char32_t c) {
  static constexpr const char* kLetters[] = {"ff", "fi", "fl", "ffi", "ffl", "st", "st"};
  return c >= 0xFB00 && c <= 0xFB06 ? kLetters[c - 0xFB00] : nullptr;
}

/// Maps characters one by one; '\r\n' and other line ends become '\n'. Tells whether the result may
/// not be in NFC yet.
bool MapCharacters(std::string_view text, std::string& out) {
  bool composable = false;
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text[0]);
    if (byte < 0x80) {
      text.remove_prefix(1);
      if (byte >= 0x20 && byte != 0x7F) {
        out.push_back(static_cast<char>(byte));
      } else if (byte == '\n' || byte == '\t') {
        out.push_back(static_cast<char>(byte));
      } else if (byte == '\r') {
        if (text.empty() || text[0] != '\n') out.push_back('\n');
      } else if (byte == '\f' || byte == '\v') {
        out.push_back('\n');
      }
      continue;
    }
    const char32_t c = TakeChar(text);
    if (c == 0xAD) {  // at a line's end it says that the word goes on
      if (!text.empty() && text[0] == '\n') text.remove_prefix(1);
    } else if (IsOddSpace(c)) {
      out.push_back(' ');
    } else if (c == 0x85 || c == 0x2028 || c == 0x2029) {
      out.push_back('\n');
    } else if (const char* letters = Ligature(c)) {
      out.append(letters);
    } else if (c == 0xF0B7 || c == 0xF0A7) {  // the bullets of Symbol and Wingdings
      out.append("\u2022");
    } else if (!IsInvisible(c)) {
      composable = composable || c >= 0x300;
      AppendUtf8(c, out);
    }
  }
  return composable;
}

void ComposeNfc(std::string& text) {
  utf8proc_uint8_t* composed = nullptr;
  const auto length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (length >= 0) text.assign(reinterpret_cast<char*>(composed), static_cast<std::size_t>(length));
  std::free(composed);
}

std::string FlowSpaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == ' ' || c == '\n' || c == '\t') {
      if (!out.empty() && out.back() != ' ') out.push_back(' ');
    } else {
      out.push_back(c);
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

void TrimLineEnd(std::string& out) {
  while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
}

std::string LineSpaces(std::string_view text, bool verbatim) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\n') {
      TrimLineEnd(out);
      const bool blank_run = !verbatim && EndsWith(out, "\n\n");
      if (!out.empty() && !blank_run) out.push_back('\n');
    } else if (!verbatim && (c == ' ' || c == '\t')) {
      if (!out.empty() && out.back() != ' ' && out.back() != '\n') out.push_back(' ');
    } else {
      out.push_back(c);
    }
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '\t' || out.back() == '\n')) {
    out.pop_back();
  }
  return out;
}

bool LooksUtf16(std::string_view sample, bool& big_endian) {
  if (sample.size() < 4) return false;
  std::size_t even_zeros = 0;
  std::size_t odd_zeros = 0;
  const std::size_t length = std::min<std::size_t>(sample.size(), 4096) & ~std::size_t{1};
  for (std::size_t i = 0; i < length; i += 2) {
    even_zeros += sample[i] == '\0';
    odd_zeros += sample[i + 1] == '\0';
  }
  const std::size_t pairs = length / 2;
  big_endian = even_zeros > odd_zeros;
  // Latin text in UTF-16 has a zero in nearly every pair, always on the same side.
  return std::max(even_zeros, odd_zeros) * 10 > pairs * 7 &&
         std::min(even_zeros, odd_zeros) * 50 < pairs;
}

bool LooksBinary(std::string_view sample) {
  std::size_t odd = 0;
  for (const char c : sample) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return true;
    odd +=
        byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t' && byte != '\f' && byte != 0x1B;
  }
  return odd * 50 > sample.size();
}

std::string StatisticalGuess(std::string_view sample) {
  uchardet_t detector = uchardet_new();
  uchardet_handle_data(detector, sample.data(), sample.size());
  uchardet_data_end(detector);
  std::string guess = uchardet_get_charset(detector);
  uchardet_delete(detector);
  // The Latin encodings differ in a few letters and uchardet confuses them on short texts; the
  // Windows page is a superset of the commonest.
  if (guess.empty() || guess == "ASCII" || guess == "ISO-8859-1" || guess == "UTF-8") {
    return "WINDOWS-1252";
  }
  return guess;
}

}  // namespace

bool IsUtf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

std::size_t Utf8Cut(std::string_view text, std::size_t max) {
  if (text.size() <= max) return text.size();
  std::size_t cut = max;
  while (cut > 0 && max - cut < 4 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return cut;
}

std::string CleanText(std::string_view text, TextShape shape) {
  std::string mapped;
  mapped.reserve(text.size());
  if (MapCharacters(text, mapped)) ComposeNfc(mapped);
  if (shape == TextShape::kFlow) return FlowSpaces(mapped);
  return LineSpaces(mapped, shape == TextShape::kVerbatim);
}

std::string GuessEncoding(std::string_view sample, bool whole) {
  if (StartsWith(sample, "\xEF\xBB\xBF")) return "UTF-8";
  if (StartsWith(sample, std::string_view("\xFF\xFE\0\0", 4))) return "UTF-32LE";
  if (StartsWith(sample, std::string_view("\0\0\xFE\xFF", 4))) return "UTF-32BE";
  if (StartsWith(sample, "\xFF\xFE")) return "UTF-16LE";
  if (StartsWith(sample, "\xFE\xFF")) return "UTF-16BE";
  bool big_endian = false;
  if (LooksUtf16(sample, big_endian)) return big_endian ? "UTF-16BE" : "UTF-16LE";
  if (LooksBinary(sample)) return "";
  std::string_view body = sample;
  if (!whole)
    body = body.substr(0, Utf8Cut(body, body.size() - std::min<std::size_t>(body.size(), 4)));
  if (IsUtf8(body)) return "UTF-8";
  return StatisticalGuess(sample);
}

class TextDecoder::Iconv {
 public:
  explicit Iconv(const std::string& encoding) : descriptor_(iconv_open("UTF-8", encoding.c_str())) {
    if (!valid()) descriptor_ = iconv_open("UTF-8", "WINDOWS-1252");
    unit_ = StartsWith(encoding, "UTF-16") ? 2 : StartsWith(encoding, "UTF-32") ? 4 : 1;
  }
  ~Iconv() {
    if (valid()) iconv_close(descriptor_);
  }
  Iconv(const Iconv&) = delete;

  void Decode(std::string_view bytes, bool last, std::string& out) {
    rest_.append(bytes);
    char* in = rest_.data();
    std::size_t in_left = rest_.size();
    char buffer[16384];
    while (in_left > 0) {
      char* to = buffer;
      std::size_t to_left = sizeof buffer;
      const bool failed = !valid() || iconv(descriptor_, &in, &in_left, &to, &to_left) ==
                                          static_cast<std::size_t>(-1);
      const int error = valid() ? errno : EILSEQ;
      out.append(buffer, static_cast<std::size_t>(to - buffer));
      if (!failed || error == E2BIG) continue;
      if (error == EINVAL && !last) break;  // the rest of the character is still to come
      const std::size_t skip = std::min(in_left, unit_);
      in += skip;
      in_left -= skip;
      bad_bytes_ += skip;
      AppendUtf8(kReplacement, out);
    }
    rest_.erase(0, rest_.size() - in_left);
  }

  std::size_t bad_bytes() const { return bad_bytes_; }

 private:
  // NOLINTNEXTLINE(performance-no-int-to-ptr): so iconv says that it failed
  bool valid() const { return descriptor_ != reinterpret_cast<iconv_t>(-1); }
  iconv_t descriptor_;
  std::size_t unit_ = 1;
  std::size_t bad_bytes_ = 0;
  std::string rest_;
};

TextDecoder::TextDecoder(const std::string& encoding) : iconv_(std::make_unique<Iconv>(encoding)) {}
TextDecoder::~TextDecoder() = default;
TextDecoder::TextDecoder(TextDecoder&&) noexcept = default;
void TextDecoder::Decode(std::string_view bytes, bool last, std::string& out) {
  iconv_->Decode(bytes, last, out);
}
std::size_t TextDecoder::bad_bytes() const { return iconv_->bad_bytes(); }

std::string DecodeText(std::string_view bytes, std::string encoding) {
  if (encoding.empty())
    encoding = GuessEncoding(bytes.substr(0, 1u << 20), bytes.size() <= 1u << 20);
  if (encoding.empty()) encoding = "UTF-8";
  if (encoding == "UTF-8" && IsUtf8(bytes)) return std::string(bytes);
  std::string out;
  TextDecoder(encoding).Decode(bytes, true, out);
  return out;
}

}  // namespace tessera
