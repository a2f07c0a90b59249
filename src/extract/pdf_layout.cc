#include "extract/pdf_layout.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "extract/ascii.h"
#include "extract/text.h"

namespace tessera {
namespace {

constexpr std::size_t kPageTextMax = 1u << 20;
constexpr std::size_t kPageLinesMax = 20'000;

/// The number of `name="…"` in a tag; 0 where it is missing or not one.
double Number(std::string_view tag, std::string_view name) {
  const std::string key = StrCat(" ", name, "=\"");
  const std::size_t at = tag.find(key);
  if (at == std::string_view::npos) return 0;
  const std::string_view digits = tag.substr(at + key.size());
  double value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return std::isfinite(value) ? std::clamp(value, -1e5, 1e5) : 0;
}

void AppendUnescaped(std::string_view text, std::string& out) {
  struct Entity {
    std::string_view code;
    char character;
  };
  static constexpr Entity kEntities[] = {{"&amp;", '&'},  {"&lt;", '<'},   {"&gt;", '>'},
                                         {"&quot;", '"'}, {"&#39;", '\''}, {"&apos;", '\''}};
  while (!text.empty()) {
    const Entity* found = nullptr;
    for (const Entity& entity : kEntities) {
      if (text[0] == '&' && text.starts_with(entity.code)) found = &entity;
    }
    out.push_back(found != nullptr ? found->character : text[0]);
    text.remove_prefix(found != nullptr ? found->code.size() : 1);
  }
}

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

/// Whether a line begins with a bullet or a number of a list.
bool StartsItem(std::string_view text) {
  for (const std::string_view bullet : {"\u2022", "\u25E6", "\u25AA", "\u25CF", "\u2023", "\u2013 ",
                                        "- ", "* ", "\uF0B7", "\uF0A7"}) {
    if (text.starts_with(bullet)) return true;
  }
  std::size_t digits = 0;
  while (digits < text.size() && digits < 3 && IsDigit(text[digits])) ++digits;
  return digits > 0 && digits + 1 < text.size() && (text[digits] == '.' || text[digits] == ')') &&
         text[digits + 1] == ' ';
}

std::string_view WithoutBullet(std::string_view text) {
  for (const std::string_view bullet : {"\u2022", "\u25E6", "\u25AA", "\u25CF", "\u2023", "\u2013 ",
                                        "- ", "* ", "\uF0B7", "\uF0A7"}) {
    if (text.starts_with(bullet)) return TrimStart(text.substr(bullet.size()));
  }
  return text;
}

/// How many parts the section number has that a line begins with ("2.1.3 Title": 3), or 0.
int SectionDepth(std::string_view text) {
  int parts = 0;
  std::size_t i = 0;
  while (i < text.size() && IsDigit(text[i])) {
    ++parts;
    while (i < text.size() && IsDigit(text[i])) ++i;
    if (i >= text.size() || text[i] != '.') break;
    ++i;
  }
  const bool title =
      i + 1 < text.size() && text[i] == ' ' &&
      (absl::ascii_isupper(static_cast<unsigned char>(text[i + 1])) || (text[i + 1] & 0x80));
  return title ? parts : 0;
}

bool HasLetters(std::string_view text) {
  int letters = 0;
  for (const char c : WithoutBullet(text)) {
    letters += absl::ascii_isalpha(static_cast<unsigned char>(c)) || (c & 0x80) != 0;
  }
  return letters >= 2;
}

/// A bullet without its text: poppler takes wide gaps for columns.
bool IsLoneBullet(std::string_view text) {
  text = TrimSpaces(text);
  return text == "-" || text == "*" || text == "\u2013" ||
         (StartsItem(text) && WithoutBullet(text).empty());
}

/// The lines of a block part into paragraphs where one begins an item, is of another size, or is
/// indented after one that is not.
bool StartsParagraph(const PdfLine& before, const PdfLine& line, double left) {
  if (StartsItem(line.text)) return true;
  const double ratio = line.height / std::max(before.height, 0.1);
  if (ratio > 1.15 || ratio < 0.87) return true;
  const bool indented = line.x_min - left > line.height * 0.9;
  const bool before_indented = before.x_min - left > before.height * 0.9;
  return indented && !before_indented && !StartsItem(before.text) &&
         line.x_min - left < line.height * 4;
}

std::string JoinLines(const std::vector<PdfLine>& lines) {
  std::string text;
  for (const PdfLine& line : lines) StrAppend(&text, text.empty() ? "" : "\n", line.text);
  return text;
}

}  // namespace

bool PdfLayoutParser::Line(std::string_view line) {
  line = TrimSpaces(line);
  if (line.starts_with("<word ")) {
    const std::size_t open = line.find('>');
    const std::size_t close = line.rfind("</word>");
    if (open == std::string_view::npos || close == std::string_view::npos || close <= open)
      return false;
    if (page_.blocks.empty() || page_.blocks.back().empty()) return false;
    const std::string_view word = line.substr(open + 1, close - open - 1);
    page_.text_bytes += word.size();
    if (page_.text_bytes > kPageTextMax) return false;
    PdfLine& target = page_.blocks.back().back();
    if (!target.text.empty()) target.text.push_back(' ');
    AppendUnescaped(word, target.text);
    if (word.size() > longest_word_) {
      longest_word_ = word.size();
      target.height = Number(line, "yMax") - Number(line, "yMin");
    }
  } else if (line.starts_with("<line ")) {
    if (page_.blocks.empty() || page_.blocks.back().size() >= kPageLinesMax) return false;
    PdfLine added;
    added.x_min = Number(line, "xMin");
    added.y_min = Number(line, "yMin");
    added.y_max = Number(line, "yMax");
    page_.blocks.back().push_back(std::move(added));
    longest_word_ = 0;
  } else if (line.starts_with("<block ")) {
    if (page_.blocks.size() < kPageLinesMax) page_.blocks.emplace_back();
  } else if (line.starts_with("<page ")) {
    page_ = {};
    page_.height = Number(line, "height");
  } else if (line.starts_with("</page>")) {
    return true;
  }
  return false;
}

PdfPage PdfLayoutParser::TakePage() { return std::exchange(page_, {}); }

void PdfBlocks::Learn(const PdfPage& page) {
  for (const auto& block : page.blocks) {
    for (const PdfLine& line : block) {
      const auto bucket = static_cast<std::size_t>(std::clamp(line.height * 4, 0.0, 399.0));
      characters_[bucket] += line.text.size();
    }
  }
}

double PdfBlocks::BodyHeight() const {
  const auto most = std::max_element(characters_.begin(), characters_.end());
  return static_cast<double>(most - characters_.begin()) / 4 + 0.125;
}

std::uint8_t PdfBlocks::HeadingLevel(const std::vector<PdfLine>& lines, double body) const {
  if (lines.empty() || lines.size() > 3) return 0;
  std::size_t bytes = 0;
  double height = 0;
  for (const PdfLine& line : lines) {
    bytes += line.text.size();
    height = std::max(height, line.height);
  }
  const std::string_view first = lines.front().text;
  const std::string_view last = lines.back().text;
  if (bytes > 200 || !HasLetters(first) || Contains(last, "....") || Contains(last, ". . ."))
    return 0;
  const double ratio = height / std::max(body, 1.0);
  const int depth = SectionDepth(first);
  if (depth >= 2 && lines.size() == 1 && bytes < 100 && ratio > 0.95 && !last.ends_with('.')) {
    return static_cast<std::uint8_t>(std::min(depth, 6));
  }
  if (ratio < 1.15 || last.ends_with(',')) return 0;
  if (depth >= 1) return static_cast<std::uint8_t>(std::min(depth, 6));
  return ratio >= 1.7 ? 1 : ratio >= 1.35 ? 2 : 3;
}

std::vector<Block> PdfBlocks::Make(const PdfPage& page, std::uint32_t number) const {
  const double body = BodyHeight();
  std::vector<Block> blocks;
  bool bullet = false;  // of the block to come
  for (const auto& lines : page.blocks) {
    double left = 1e9;
    for (const PdfLine& line : lines) left = std::min(left, line.x_min);
    std::vector<PdfLine> part;
    const auto flush = [&] {
      if (part.empty()) return;
      Block block;
      block.page = number;
      block.heading_level = HeadingLevel(part, body);
      const bool at_edge =
          part.back().y_max < page.height * 0.09 || part.front().y_min > page.height * 0.91;
      block.page_edge = page.height > 0 && part.size() <= 2 && at_edge;
      if (block.page_edge) block.heading_level = 0;
      if (block.heading_level > 0) {
        block.kind = BlockKind::kHeading;
      } else if (StartsItem(part[0].text) && !IsLoneBullet(part[0].text)) {
        block.kind = BlockKind::kListItem;
        block.list_depth = 1;
        part[0].text = std::string(WithoutBullet(part[0].text));
      }
      block.text = JoinLines(part);
      part.clear();
      if (IsLoneBullet(block.text)) {
        bullet = true;
        return;
      }
      if (std::exchange(bullet, false) && block.kind == BlockKind::kParagraph && !block.page_edge) {
        block.kind = BlockKind::kListItem;
        block.list_depth = 1;
      }
      if (!block.text.empty()) blocks.push_back(std::move(block));
    };
    for (const PdfLine& line : lines) {
      if (TrimSpaces(line.text).empty()) continue;
      if (!part.empty() && StartsParagraph(part.back(), line, left)) flush();
      part.push_back(line);
    }
    flush();
  }
  return blocks;
}

}  // namespace tessera
