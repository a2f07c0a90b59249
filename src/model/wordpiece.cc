#include "model/wordpiece.h"

#include <algorithm>
#include <array>

#include <utf8proc.h>

#include "base/str.h"
#include "model/model_file.h"

namespace tessera {
namespace {

// A word of more characters is unknown as a whole, as in the reference implementation.
constexpr std::size_t kMaxWordChars = 100;

enum class Kind : std::uint8_t { kLetter, kSpace, kPunctuation, kDropped };

Kind AsciiKind(unsigned char c) {
  if (c == ' ' || (c >= '\t' && c <= '\r' && c != '\v' && c != '\f')) return Kind::kSpace;
  if (c < 0x20 || c == 0x7f) return Kind::kDropped;
  const bool alphanumeric =
      (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return alphanumeric ? Kind::kLetter : Kind::kPunctuation;
}

struct AsciiClass {
  Kind kind;
  char lower;
};

const std::array<AsciiClass, 128>& AsciiTable() {
  static const std::array<AsciiClass, 128> table = [] {
    std::array<AsciiClass, 128> made{};
    for (unsigned char c = 0; c < 128; ++c) {
      const bool upper = c >= 'A' && c <= 'Z';
      made[c] = {AsciiKind(c), static_cast<char>(upper ? c + 32 : c)};
    }
    return made;
  }();
  return table;
}

// The blocks that BERT treats as one word a character (CJK ideographs). 0x2B920, not 0x2B820, as in
// the reference implementation.
bool IsIdeograph(utf8proc_int32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool IsWhiteSpace(utf8proc_int32_t c) {
  return c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsPunctuation(utf8proc_category_t category) {
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

// Control, format, surrogate, private use. Unassigned ones stay: whether one is assigned depends on
// the Unicode version.
bool IsOther(utf8proc_category_t category) {
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
         category == UTF8PROC_CATEGORY_CS || category == UTF8PROC_CATEGORY_CO;
}

void AppendUtf8(utf8proc_int32_t c, std::string& out) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(c, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
}

std::size_t CharLength(unsigned char lead) {
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

}  // namespace

Result<WordPiece> WordPiece::FromPieces(std::vector<std::string> pieces) {
  WordPiece made;
  made.pieces_ = std::move(pieces);
  for (std::size_t i = 0; i < made.pieces_.size(); ++i) {
    const std::string_view piece = made.pieces_[i];
    const auto id = static_cast<std::int32_t>(i);
    made.longest_ = std::max(made.longest_, piece.size());
    if (piece.starts_with("##") && piece.size() > 2) {
      made.continuations_.try_emplace(std::string(piece.substr(2)), id);
    } else {
      made.starts_.try_emplace(std::string(piece), id);
    }
  }
  const std::pair<const char*, std::int32_t*> specials[] = {{"[UNK]", &made.unknown_},
                                                            {"[CLS]", &made.cls_},
                                                            {"[SEP]", &made.sep_},
                                                            {"[PAD]", &made.pad_}};
  for (const auto& [name, id] : specials) {
    const auto found = made.starts_.find(name);
    if (found == made.starts_.end())
      return absl::InvalidArgumentError(StrCat("the vocabulary has no ", name, " piece"));
    *id = found->second;
  }
  return made;
}

Result<WordPiece> WordPiece::Load(const std::string& path) {
  TRY(std::vector<std::string> pieces, ReadVocabulary(path));
  return FromPieces(std::move(pieces));
}

template <class Emit>
void WordPiece::EncodeWord(std::string_view word, Emit& emit) const {
  // The whole word is the usual case.
  if (const auto found = starts_.find(AbslView(word)); found != starts_.end()) {
    emit(found->second);
    return;
  }
  std::size_t chars = 0;
  for (std::size_t i = 0; i < word.size(); i += CharLength(static_cast<unsigned char>(word[i])))
    ++chars;
  if (chars > kMaxWordChars) {
    emit(unknown_);
    return;
  }
  std::array<std::int32_t, kMaxWordChars> ids;
  std::size_t count = 0;
  for (std::size_t start = 0; start < word.size();) {
    const auto& table = start == 0 ? starts_ : continuations_;
    std::size_t end = std::min(word.size(), start + longest_);
    for (; end > start; --end) {
      if (end < word.size() && (static_cast<unsigned char>(word[end]) & 0xC0) == 0x80) continue;
      const auto found = table.find(AbslView(word.substr(start, end - start)));
      if (found == table.end()) continue;
      ids[count++] = found->second;
      break;
    }
    if (end == start) {  // no piece fits: the whole word is unknown
      emit(unknown_);
      return;
    }
    start = end;
  }
  for (std::size_t i = 0; i < count; ++i) emit(ids[i]);
}

template <class Emit>
void WordPiece::EncodeText(std::string_view text, Emit emit) const {
  const auto& ascii = AsciiTable();
  std::string word;
  const auto finish_word = [&] {
    if (word.empty()) return;
    EncodeWord(word, emit);
    word.clear();
  };
  const auto take_alone = [&](utf8proc_int32_t c) {
    finish_word();
    AppendUtf8(c, word);
    finish_word();
  };
  const auto take = [&](utf8proc_int32_t c) {  // one character after decomposition
    const utf8proc_category_t category = utf8proc_category(c);
    if (category == UTF8PROC_CATEGORY_MN) return;  // an accent
    if (c < 128) {
      const AsciiClass& known = ascii[static_cast<std::size_t>(c)];
      if (known.kind == Kind::kPunctuation) return take_alone(c);
      if (known.kind == Kind::kLetter) word.push_back(known.lower);
      if (known.kind == Kind::kSpace) finish_word();
      return;
    }
    c = utf8proc_tolower(c);
    if (IsPunctuation(category)) return take_alone(c);
    AppendUtf8(c, word);
  };

  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    if (bytes[i] < 128) {
      const AsciiClass& known = ascii[bytes[i]];
      if (known.kind == Kind::kLetter) {
        word.push_back(known.lower);
      } else if (known.kind == Kind::kPunctuation) {
        take_alone(bytes[i]);
      } else if (known.kind == Kind::kSpace) {
        finish_word();
      }
      ++i;
      continue;
    }
    utf8proc_int32_t c = 0;
    const auto length =
        utf8proc_iterate(bytes + i, static_cast<utf8proc_ssize_t>(text.size() - i), &c);
    if (length <= 0) {  // not UTF-8
      ++i;
      continue;
    }
    i += static_cast<std::size_t>(length);
    if (IsWhiteSpace(c)) {
      finish_word();
      continue;
    }
    if (c == 0xFFFD || IsOther(utf8proc_category(c))) continue;
    const bool alone = IsIdeograph(c);
    if (alone) finish_word();
    std::array<utf8proc_int32_t, 32> parts;
    int boundary = 0;
    const auto count =
        utf8proc_decompose_char(c, parts.data(), parts.size(), UTF8PROC_DECOMPOSE, &boundary);
    for (utf8proc_ssize_t k = 0; k < count && k < static_cast<utf8proc_ssize_t>(parts.size()); ++k)
      take(parts[static_cast<std::size_t>(k)]);
    if (alone) finish_word();
  }
  finish_word();
}

std::vector<std::int32_t> WordPiece::Encode(std::string_view text) const {
  std::vector<std::int32_t> ids;
  ids.reserve(text.size() / 4 + 2);
  EncodeText(text, [&ids](std::int32_t id) { ids.push_back(id); });
  return ids;
}

std::size_t WordPiece::Count(std::string_view text) const {
  std::size_t count = 0;
  EncodeText(text, [&count](std::int32_t) { ++count; });
  return count;
}

}  // namespace tessera
