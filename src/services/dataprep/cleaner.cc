#include "services/dataprep/cleaner.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "absl/strings/ascii.h"
#include "base/str.h"
#include "services/dataprep/hash.h"
#include "services/dataprep/utf8.h"

namespace tessera {
namespace {

constexpr std::size_t kEdgeLineBytesMax = 160;  // a longer line is text, not furniture
constexpr std::size_t kEdgeBlocks = 2;          // blocks and lines of them looked at
constexpr std::size_t kEdgeLines = 2;           // on either edge of a page
constexpr std::size_t kEdgesMax = 20'000;
constexpr std::size_t kWordsMax = 100'000;
constexpr std::size_t kVerseBytes = 32;  // blocks of lines this short are broken on purpose

// First parts that compounds have: a hyphen behind them is theirs, not the line's.
constexpr std::array<std::string_view, 40> kCompounds = {
    "self",   "well", "non",   "ex",     "half", "high", "low",   "long",  "short",  "all",
    "cross",  "one",  "two",   "three",  "four", "five", "six",   "first", "second", "third",
    "multi",  "semi", "quasi", "pseudo", "real", "open", "large", "small", "full",   "single",
    "double", "read", "write", "right",  "left", "user", "time",  "end",   "out",    "so"};

bool IsAlpha(char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordByte(char c) { return IsAlpha(c) || static_cast<unsigned char>(c) >= 0x80; }
bool IsLowerStart(std::string_view text) {
  if (text.empty()) return false;
  if (text[0] >= 'a' && text[0] <= 'z') return true;
  std::size_t i = 0;
  const char32_t c = NextCodePoint(text, i);
  return (c >= 0xdf && c <= 0xff) || (c >= 0x3b1 && c <= 0x3c9) || (c >= 0x430 && c <= 0x44f);
}

std::string_view LastWord(std::string_view line) {
  std::size_t begin = line.size();
  while (begin > 0 && IsWordByte(line[begin - 1])) --begin;
  return line.substr(begin);
}

std::string_view FirstWord(std::string_view line) {
  std::size_t end = 0;
  while (end < line.size() && IsWordByte(line[end])) ++end;
  return line.substr(0, end);
}

bool IsWide(char32_t c) {
  return (c >= 0x3000 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) ||
         (c >= 0xff00 && c <= 0xffef) || (c >= 0x20000 && c <= 0x2fa1f);
}

// Lines of Chinese and Japanese join without a space.
bool JoinsWithoutSpace(std::string_view before, std::string_view after) {
  std::size_t last = before.size() - 1;
  last = FloorBoundary(before, last);
  std::size_t first = 0;
  return IsWide(NextCodePoint(before, last)) && IsWide(NextCodePoint(after, first));
}

// "- item", "• item", "3. item", "(a) item": a line that starts something new.
bool StartsItem(std::string_view line) {
  for (const std::string_view bullet : {"- ", "* ", "\u2022", "\u25aa", "\u2013 ", "\u2014 "})
    if (line.starts_with(bullet)) return true;
  std::size_t i = !line.empty() && line[0] == '(' ? 1 : 0;
  const std::size_t begin = i;
  while (i < line.size() && i < begin + 3 &&
         absl::ascii_isalnum(static_cast<unsigned char>(line[i])))
    ++i;
  if (i == begin || i + 1 >= line.size() || line[i + 1] != ' ') return false;
  const bool digits = IsDigit(line[begin]);
  return line[i] == ')' || (line[i] == '.' && digits);
}

// Nothing but rules, dots and bullets.
bool IsRule(std::string_view text) {
  std::size_t marks = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = NextCodePoint(text, i);
    if (c == ' ' || c == '\n') continue;
    const bool mark = c == '-' || c == '_' || c == '=' || c == '*' || c == '.' || c == '~' ||
                      c == '#' || c == '|' || c == '+' || c == 0x2022 || c == 0xb7 || c == 0x2026 ||
                      (c >= 0x2500 && c <= 0x257f) || (c >= 0x2010 && c <= 0x2015);
    if (!mark) return false;
    ++marks;
  }
  return marks > 0;
}

// A line's patterns: the line itself, and for each number in it the line with that number replaced
// by its distance to the page's. A running line has one of them on every page.
std::vector<std::uint64_t> Patterns(std::string_view line, std::uint32_t page) {
  std::vector<std::uint64_t> patterns = {HashBytes(ToLower(line))};
  int numbers = 0;
  for (std::size_t i = 0; i < line.size() && numbers < 4;) {
    if (!IsDigit(line[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < line.size() && IsDigit(line[end])) ++end;
    std::int64_t number = 0;
    const auto parsed = std::from_chars(line.data() + i, line.data() + end, number);
    if (end - i < 7 && parsed.ec == std::errc()) {
      patterns.push_back(
          HashBytes(StrCat(ToLower(line.substr(0, i)), "\x01",
                           number - static_cast<std::int64_t>(page), ToLower(line.substr(end)))));
    }
    i = end;
    ++numbers;
  }
  return patterns;
}

// i, iv, xii … alone on a line at the edge of a page.
bool IsRomanNumber(std::string_view line) {
  return !line.empty() && line.size() <= 7 &&
         line.find_first_not_of("ivxlc") == std::string_view::npos;
}

bool MayBeFurniture(const Block& block) {
  return block.page != 0 && block.kind != BlockKind::kTableRow && block.kind != BlockKind::kCode;
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t i = text.find('\n'); i != std::string_view::npos; i = text.find('\n')) {
    lines.push_back(text.substr(0, i));
    text.remove_prefix(i + 1);
  }
  lines.push_back(text);
  return lines;
}

// Dots that lead to a page number in a table of contents.
void ShortenLeaders(std::string& line) {
  const std::size_t i = line.find(" . . . ");
  std::size_t j = std::min(i, line.find("....."));
  if (j == std::string::npos) return;
  const std::size_t end = line.find_first_not_of(". ", j);
  while (j > 0 && line[j - 1] == ' ') --j;
  line.replace(j, (end == std::string::npos ? line.size() : end) - j, " \u2026 ");
}

void TrimRight(std::string& text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.pop_back();
}

// Code: trailing spaces and runs of blank lines go, all else stays.
std::string TidyCode(std::string_view text) {
  std::string out;
  int blank = 0;
  for (const std::string_view line : Lines(text)) {
    std::string_view kept = line;
    while (!kept.empty() && (kept.back() == ' ' || kept.back() == '\t' || kept.back() == '\r'))
      kept.remove_suffix(1);
    blank = kept.empty() ? blank + 1 : 0;
    if (blank > 1 || (kept.empty() && out.empty())) continue;
    out.append(kept).push_back('\n');
  }
  TrimRight(out);
  return out;
}

}  // namespace

std::string TidySpaces(std::string_view text) {
  static constexpr std::array<std::string_view, 7> kLigatures = {"ff",  "fi", "fl", "ffi",
                                                                 "ffl", "st", "st"};
  std::string out;
  out.reserve(text.size());
  bool space = false;
  const auto end_line = [&] {
    while (!out.empty() && out.back() == ' ') out.pop_back();
  };
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = NextCodePoint(text, i);
    if (c == '\n') {
      end_line();
      out.push_back('\n');
      space = false;
      continue;
    }
    const bool invisible = c == 0x200b || c == 0xfeff || c == 0x2060 || c < 0x09 ||
                           (c > 0x0d && c < 0x20) || (c >= 0x7f && c < 0xa0);
    if (invisible) continue;
    if (c <= 0x20 || c == 0xa0 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x3000) {
      space = true;
      continue;
    }
    if (space && !out.empty() && out.back() != '\n') out.push_back(' ');
    space = false;
    if (c == 0xad) {  // a soft hyphen shows only at a line's end
      if (i == text.size() || text[i] == '\n') out.push_back('-');
    } else if (c == 0x2010 || c == 0x2011) {
      out.push_back('-');
    } else if (c >= 0xfb00 && c <= 0xfb06) {
      out.append(kLigatures[c - 0xfb00]);
    } else {
      AppendCodePoint(out, c);
    }
  }
  TrimRight(out);
  const std::size_t begin = out.find_first_not_of("\n ");
  return begin == std::string::npos ? std::string() : out.substr(begin);
}

Cleaner::Cleaner(CleanerConfig config) : config_(config) {}

void Cleaner::Add(Block block, std::vector<Block>& out) {
  if (block.page == 0) {
    while (!held_.empty()) ReleaseFront(out);
    Write(std::move(block), out);
    return;
  }
  Held held{std::move(block)};
  if (held_.empty() || held_.back().block.page != held.block.page) {
    EndPage();
    blocks_of_page_ = 0;
  }
  held.first_of_page = blocks_of_page_++ < kEdgeBlocks;
  if (held.first_of_page) CountEdges(held);
  held_bytes_ += held.block.text.size();
  held_.push_back(std::move(held));
  const auto too_many = [this] {
    return held_.back().block.page > held_.front().block.page + config_.pages_ahead ||
           held_bytes_ > config_.bytes_ahead_max;
  };
  while (too_many() && held_.size() > 1) ReleaseFront(out);
}

void Cleaner::Finish(std::vector<Block>& out) {
  EndPage();
  while (!held_.empty()) ReleaseFront(out);
}

void Cleaner::EndPage() {
  for (std::size_t i = 0; i < std::min(kEdgeBlocks, held_.size()); ++i) {
    Held& last = held_[held_.size() - 1 - i];
    if (last.block.page != held_.back().block.page) break;
    last.last_of_page = true;
    CountEdges(last);
  }
}

void Cleaner::CountEdges(const Held& held) {
  if (!MayBeFurniture(held.block) || edges_.size() > kEdgesMax) return;
  const std::string text = TidySpaces(held.block.text);
  const std::vector<std::string_view> lines = Lines(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool edge = (held.first_of_page && i < kEdgeLines) ||
                      (held.last_of_page && i + kEdgeLines >= lines.size());
    if (!edge || lines[i].empty() || lines[i].size() > kEdgeLineBytesMax) continue;
    for (const std::uint64_t pattern : Patterns(lines[i], held.block.page)) {
      Seen& seen = edges_[pattern];
      if (seen.last_page == held.block.page) continue;
      seen.last_page = held.block.page;
      ++seen.pages;
    }
  }
}

bool Cleaner::IsFurniture(std::string_view line, const Block& block) {
  if (line.empty() || line.size() > kEdgeLineBytesMax) return false;
  if (block.kind != BlockKind::kHeading && IsRomanNumber(line)) return true;
  for (const std::uint64_t pattern : Patterns(line, block.page)) {
    const auto found = edges_.find(pattern);
    if (found == edges_.end() || found->second.pages < config_.repeats_min) continue;
    if (block.kind != BlockKind::kHeading || found->second.kept_heading) return true;
    found->second.kept_heading = true;
    return false;
  }
  return false;
}

// Takes running lines off a block at the edge of its page; the block may end up empty.
void Cleaner::DropFurniture(Held& held) {
  if (!MayBeFurniture(held.block)) return;
  if (!held.first_of_page && !held.last_of_page) return;
  const std::string text = TidySpaces(held.block.text);
  std::vector<std::string_view> lines = Lines(text);
  std::size_t begin = 0;
  std::size_t end = lines.size();
  if (held.first_of_page)
    while (begin < end && begin < kEdgeLines && IsFurniture(lines[begin], held.block)) ++begin;
  if (held.last_of_page)
    while (end > begin && lines.size() - end < kEdgeLines &&
           IsFurniture(lines[end - 1], held.block))
      --end;
  if (begin == 0 && end == lines.size()) return;
  std::string kept;
  for (std::size_t i = begin; i < end; ++i) {
    if (i > begin) kept.push_back('\n');
    kept.append(lines[i]);
  }
  held.block.text = std::move(kept);
}

void Cleaner::ReleaseFront(std::vector<Block>& out) {
  Held held = std::move(held_.front());
  held_.pop_front();
  held_bytes_ -= held.block.text.size();
  DropFurniture(held);
  Write(std::move(held.block), out);
}

void Cleaner::Write(Block block, std::vector<Block>& out) {
  block.text = MakeValidUtf8(std::move(block.text));
  if (block.kind == BlockKind::kCode) {
    block.text = TidyCode(block.text);
  } else {
    const std::string tidy = TidySpaces(block.text);
    LearnWords(tidy);
    block.text = JoinLines(tidy);
    if (IsRule(block.text) && block.kind != BlockKind::kTableRow) return;
  }
  if (!block.text.empty()) out.push_back(std::move(block));
}

std::string Cleaner::JoinLines(std::string_view text) {
  const std::vector<std::string_view> lines = Lines(text);
  std::size_t width = 0;
  for (const std::string_view line : lines) width = std::max(width, line.size());
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string line(lines[i]);
    ShortenLeaders(line);
    if (out.empty() || line.empty()) {
      if (out.empty()) out = line;
      continue;
    }
    const std::string_view before = lines[i - 1];
    const std::string_view last = LastWord(std::string_view(out).substr(0, out.size() - 1));
    const bool hyphen = out.back() == '-' && out.size() > 1;
    if (hyphen && !last.empty() && IsLowerStart(line)) {
      if (!KeepsHyphen(std::string_view(out).substr(0, out.size() - 1), line)) out.pop_back();
    } else if (hyphen && (IsDigit(out[out.size() - 2]) || !last.empty()) &&
               absl::ascii_isalnum(static_cast<unsigned char>(line[0]))) {
      // "2010-\n2015", "Anglo-\nSaxon": the hyphen is the text's own
    } else if (JoinsWithoutSpace(out, line)) {
      // nothing between them
    } else {
      const std::size_t word = std::min(line.find(' '), line.size());
      const bool would_fit = before.size() + 1 + word <= width * 3 / 4;
      const bool broken = StartsItem(line) || width < kVerseBytes || would_fit;
      out.push_back(broken ? '\n' : ' ');
    }
    out.append(line);
  }
  return out;
}

// Whether "before-" + "after" is a compound: as the document writes it elsewhere, else by its first
// part.
bool Cleaner::KeepsHyphen(std::string_view before, std::string_view after) const {
  const std::string left = ToLower(LastWord(before));
  const std::string right = ToLower(FirstWord(after));
  if (words_.contains(HashBytes(StrCat(left, "-", right)))) return true;
  if (words_.contains(HashBytes(StrCat(left, right)))) return false;
  if (before.size() > left.size() && before[before.size() - left.size() - 1] == '-') return true;
  return std::find(kCompounds.begin(), kCompounds.end(), left) != kCompounds.end();
}

void Cleaner::LearnWords(std::string_view text) {
  if (words_.size() > kWordsMax) return;
  std::string word;
  for (std::size_t i = 0; i < text.size();) {
    if (!IsWordByte(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    std::size_t hyphen = 0;
    word.clear();
    while (end < text.size() && (IsWordByte(text[end]) || (text[end] == '-' && hyphen == 0))) {
      if (text[end] == '-') hyphen = end;
      word.push_back(ToLower(text[end++]));
    }
    if (hyphen != 0 && hyphen + 1 == end) {  // at a line's end: what is being decided
      --end;
      word.pop_back();
    }
    if (word.size() >= 5) words_.insert(HashBytes(word));
    i = std::max(end, i + 1);
  }
}

}  // namespace tessera
