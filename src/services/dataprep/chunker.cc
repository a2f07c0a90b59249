#include "services/dataprep/chunker.h"

#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "services/dataprep/token_estimate.h"
#include "services/dataprep/utf8.h"

namespace tessera {
namespace {

constexpr std::size_t kHeadingBytesMax = 160;
constexpr std::size_t kPathBytesMax = 512;
constexpr std::size_t kNumberedBytesMax = 90;
constexpr std::size_t kNumberBytesMax = 12;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// What a cut at such a place is worth, beside how well the passage is filled (0 to 1).
double Worth(Cut cut) {
  switch (cut) {
    case Cut::kSection:
      return 0.8;
    case Cut::kBlock:
      return 0.2;
    case Cut::kItem:
      return 0.15;
    case Cut::kLine:
      return 0.05;
    case Cut::kSentence:
      return 0;
    case Cut::kAnywhere:
      return -0.5;
  }
  return 0;
}

std::string_view Separator(BlockKind before, const Block& block) {
  const bool lines = block.kind == BlockKind::kListItem || block.kind == BlockKind::kTableRow ||
                     block.kind == BlockKind::kCode;
  if (block.continues && !lines) return " ";
  return block.kind == before && lines ? "\n" : "\n\n";
}

void KeepCommonPrefix(std::vector<std::string>& path, const std::vector<std::string>& other) {
  const auto [end, unused] = std::mismatch(path.begin(), path.end(), other.begin(), other.end());
  path.erase(end, path.end());
}

// "9.4.1. format" and "format" name the same thing.
std::string_view WithoutNumber(std::string_view heading) {
  const std::size_t i = heading.find_first_not_of("0123456789. \u00a0");
  return i == std::string_view::npos ? heading : heading.substr(i);
}

template <class Parts>
std::string Join(const Parts& parts) {
  std::string joined;
  for (const auto& part : parts) {
    if (!joined.empty()) joined.append(" > ");
    joined.append(part);
  }
  return joined;
}

// "7. Of the rent", "2.3 Notice", "Article 4: of the quay": short, numbered, no sentence.
bool IsNumberedLine(std::string_view text) {
  if (text.size() > kNumberedBytesMax || text.find('\n') != std::string_view::npos) return false;
  if (text.empty() || std::string_view(".,;:?!").find(text.back()) != std::string_view::npos)
    return false;
  bool named = false;
  for (const std::string_view name :
       {"Chapter ", "Section ", "Article ", "Part ", "Appendix ", "Annex ", "\u00a7 "}) {
    if (named || !text.starts_with(name)) continue;
    named = true;
    text.remove_prefix(name.size());
  }
  const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  std::size_t i = named && !text.empty() && is_capital(text[0]) ? 1 : 0;
  while (i < text.size() && (IsDigit(text[i]) || (i > 0 && text[i] == '.'))) ++i;
  if (i > 0 && named && i < text.size() && text[i] == ':') ++i;
  if (i == 0 || i > kNumberBytesMax) return false;
  if (i == text.size()) return named;
  if (text[i] != ' ' || i + 1 >= text.size()) return false;
  const char first = text[i + 1];
  return named || is_capital(first) || (first & 0x80) != 0;
}

bool HasLine(std::string_view text, std::string_view line) {
  for (std::size_t i = text.find(line); i != std::string_view::npos; i = text.find(line, i + 1)) {
    const std::size_t end = i + line.size();
    if ((i == 0 || text[i - 1] == '\n') && (end == text.size() || text[end] == '\n')) return true;
  }
  return false;
}

}  // namespace

Chunker::Chunker(ChunkerConfig config)
    : config_(config),
      unit_tokens_max_(std::max(
          8.0, config.tokens_max - std::min(config.overlap_tokens, config.tokens_max / 2))),
      path_(std::make_shared<const std::vector<std::string>>()) {}

void Chunker::Add(const Block& block, std::vector<TextChunk>& out) {
  // A passage is cited with its page, so it ends with it, but for a paragraph that runs on.
  const std::size_t headings = TrailingHeadings();
  if (headings < pending_.size() && block.page != pending_.back().page && !block.continues)
    CutAll(headings, out);
  if (block.kind == BlockKind::kHeading && !block.continues) EnterHeading(block, out);
  const bool leads = Leads(block);
  if (leads && block.kind != BlockKind::kHeading && !pending_.empty())
    pending_.back().cut = Cut::kSection;
  const std::uint64_t offset = AppendText(block);
  for (const Piece& piece :
       SplitBlock(block.kind, block.text, unit_tokens_max_, config_.token_scale)) {
    pending_.push_back(Unit{offset + piece.begin, offset + piece.end, piece.tokens, piece.cut,
                            leads, block.kind, block.page, path_});
    pending_tokens_ += piece.tokens;
    // Two passages' worth is enough to see where the first had best end.
    while (pending_tokens_ > 2 * unit_tokens_max_) Emit(BestCut(unit_tokens_max_ * 0.9), out);
  }
}

void Chunker::Finish(std::vector<TextChunk>& out) {
  CutAll(0, out);
  stack_.clear();
  path_ = std::make_shared<const std::vector<std::string>>();
}

// The text of a block behind all text before it; gives its offset.
std::uint64_t Chunker::AppendText(const Block& block) {
  if (text_bytes() > 0) window_.append(Separator(last_kind_, block));
  last_kind_ = block.kind;
  const std::uint64_t offset = text_bytes();
  window_.append(block.text);
  return offset;
}

void Chunker::EnterHeading(const Block& block, std::vector<TextChunk>& out) {
  const int level = std::max<int>(1, block.heading_level);
  while (!stack_.empty() && stack_.back().level >= level) stack_.pop_back();
  const bool only_headings = std::all_of(pending_.begin(), pending_.end(), [](const Unit& unit) {
    return unit.kind == BlockKind::kHeading;
  });
  if (!pending_.empty() && !only_headings) {
    if (MayJoin(block))
      pending_.back().cut = Cut::kSection;
    else
      CutAll(TrailingHeadings(), out);
  }
  std::string_view text = block.text;
  text = text.substr(0, FloorBoundary(text, kHeadingBytesMax));
  std::string name(text);
  std::replace(name.begin(), name.end(), '\n', ' ');
  stack_.push_back(Heading{level, std::move(name)});
  std::vector<std::string> path;
  for (const Heading& heading : stack_) path.push_back(heading.text);
  path_ = std::make_shared<const std::vector<std::string>>(std::move(path));
}

// A small section goes on under the next heading when both are below the same parent and on the
// same page. `stack_` holds the parents of the heading.
bool Chunker::MayJoin(const Block& heading) const {
  if (pending_tokens_ >= config_.tokens_min || pending_.back().page != heading.page) return false;
  const std::vector<std::string>& path = *pending_.back().path;
  if (path.size() < stack_.size()) return false;
  for (std::size_t i = 0; i < stack_.size(); ++i)
    if (path[i] != stack_[i].text) return false;
  return true;
}

// A PDF whose headings have the body's size shows them by their numbers only. The items of a list
// of such lines, but for its first, are no headings.
bool Chunker::Leads(const Block& block) const {
  if (block.kind == BlockKind::kHeading) return true;
  const bool may_be = block.kind == BlockKind::kParagraph || block.kind == BlockKind::kListItem;
  if (!may_be || block.page == 0 || block.continues || !IsNumberedLine(block.text)) return false;
  if (pending_.empty() || pending_.back().kind == BlockKind::kHeading) return true;
  const Unit& last = pending_.back();
  return !last.leads && !IsNumberedLine(std::string_view(window_).substr(last.begin - base_,
                                                                         last.end - last.begin));
}

// Headings that wait for their text.
std::size_t Chunker::TrailingHeadings() const {
  std::size_t count = 0;
  while (count < pending_.size() && pending_[pending_.size() - 1 - count].leads) ++count;
  return count;
}

// Emits everything pending but the last `keep` units, in passages of about equal size.
void Chunker::CutAll(std::size_t keep, std::vector<TextChunk>& out) {
  double kept = 0;
  for (std::size_t i = 0; i < keep; ++i) kept += pending_[pending_.size() - 1 - i].tokens;
  while (pending_.size() > keep) {
    const double tokens = pending_tokens_ - kept;
    const double passages = std::ceil(tokens / unit_tokens_max_ - 1e-6);
    if (passages <= 1)
      Emit(pending_.size() - keep, out);
    else
      Emit(std::min(BestCut(tokens / passages), pending_.size() - keep), out);
  }
  overlap_ = false;
}

// How many pending units make the best next passage of about `target` tokens; at least one.
std::size_t Chunker::BestCut(double target) const {
  std::size_t best = 1;
  double best_score = -1e9;
  double tokens = 0;
  for (std::size_t i = 0; i + 1 < pending_.size(); ++i) {
    tokens += pending_[i].tokens;
    if (tokens > unit_tokens_max_ && i > 0) break;
    double score = std::min(1.0, tokens / target) + Worth(pending_[i].cut);
    if (pending_[i].leads) score -= 2;
    if (pending_tokens_ - tokens < config_.tokens_min / 2) score -= 0.3;
    if (score >= best_score) {
      best_score = score;
      best = i + 1;
    }
  }
  return best;
}

void Chunker::Emit(std::size_t units, std::vector<TextChunk>& out) {
  TextChunk chunk;
  chunk.start = overlap_ ? overlap_start_ : pending_.front().begin;
  chunk.end = pending_[units - 1].end;
  chunk.page = pending_.front().page;
  const Unit* named = nullptr;
  for (std::size_t i = 0; i < units; ++i) {
    const Unit& unit = pending_[i];
    chunk.tokens += unit.tokens;
    if (unit.kind == BlockKind::kCode || unit.kind == BlockKind::kTableRow) chunk.prose = false;
    if (unit.kind == BlockKind::kHeading && units > 1) continue;
    if (named == nullptr)
      chunk.headings = *unit.path;
    else
      KeepCommonPrefix(chunk.headings, *unit.path);
    named = &unit;
  }
  if (named == nullptr) chunk.headings = *pending_[units - 1].path;
  chunk.text = window_.substr(chunk.start - base_, chunk.end - chunk.start);

  pending_tokens_ -= chunk.tokens;
  overlap_ = false;
  if (config_.overlap_tokens > 0) SetOverlap(pending_[units - 1]);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(units));
  if (pending_.empty()) pending_tokens_ = 0;
  std::uint64_t keep = pending_.empty() ? text_bytes() : pending_.front().begin;
  if (overlap_) keep = std::min(keep, overlap_start_);
  window_.erase(0, keep - base_);
  base_ = keep;
  out.push_back(std::move(chunk));
}

// The last sentences of a passage, as many as fit, begin the next one too.
void Chunker::SetOverlap(const Unit& last) {
  if (last.kind == BlockKind::kTableRow || last.kind == BlockKind::kHeading) return;
  const std::string_view text(window_.data() + (last.begin - base_), last.end - last.begin);
  std::vector<std::size_t> ends = SentenceEnds(text);
  double tokens = 0;
  for (std::size_t i = ends.size(); i-- > 0;) {
    std::size_t begin = i == 0 ? 0 : ends[i - 1];
    tokens += EstimateTokens(text.substr(begin, ends[i] - begin), config_.token_scale);
    if (tokens > std::min(config_.overlap_tokens, config_.tokens_max / 2)) return;
    while (begin < ends[i] && (text[begin] == ' ' || text[begin] == '\n')) ++begin;
    overlap_start_ = last.begin + begin;
    overlap_ = true;
  }
}

std::string HeadingPath(std::string_view title, const std::vector<std::string>& headings) {
  std::vector<std::string_view> parts(headings.begin(), headings.end());
  const bool named = std::any_of(parts.begin(), parts.end(), [title](std::string_view heading) {
    return EqualsIgnoreCase(WithoutNumber(heading), WithoutNumber(title));
  });
  if (!named && !title.empty())
    parts.insert(parts.begin(), title.substr(0, FloorBoundary(title, kHeadingBytesMax)));
  std::string path = Join(parts);
  if (path.size() > kPathBytesMax) path.resize(FloorBoundary(path, kPathBytesMax));
  return path;
}

std::string EmbeddingText(std::string_view title, const TextChunk& chunk,
                          double prefix_tokens_max) {
  std::vector<std::string_view> prefix;
  if (!title.empty() && !HasLine(chunk.text, title)) prefix.push_back(title);
  for (const std::string& heading : chunk.headings) {
    const bool is_title = EqualsIgnoreCase(WithoutNumber(heading), WithoutNumber(title));
    if (!is_title && !HasLine(chunk.text, heading)) prefix.push_back(heading);
  }
  const auto tokens = [&prefix] { return EstimateTokens(Join(prefix)); };
  while (prefix.size() > 2 && tokens() > prefix_tokens_max) prefix.erase(prefix.begin() + 1);
  if (prefix.size() > 1 && tokens() > prefix_tokens_max) prefix.erase(prefix.begin());
  if (prefix.empty()) return chunk.text;
  std::string line = Join(prefix);
  while (EstimateTokens(line) > prefix_tokens_max && line.size() > 8)
    line.resize(FloorBoundary(line, line.size() * 3 / 4));
  return StrCat(line, "\n\n", chunk.text);
}

}  // namespace tessera
