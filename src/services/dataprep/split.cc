#include "services/dataprep/split.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "base/str.h"
#include "services/dataprep/token_estimate.h"
#include "services/dataprep/utf8.h"

namespace tessera {
namespace {

constexpr std::array<std::string_view, 34> kAbbreviations = {
    "e.g", "i.e", "etc", "cf",   "vs",  "mr",  "mrs", "ms", "dr",     "prof", "st",  "no",
    "nr",  "fig", "eq",  "ed",   "eds", "vol", "pp",  "al", "approx", "resp", "inc", "ltd",
    "co",  "jr",  "sr",  "dept", "est", "sec", "ch",  "ca", "bzw",    "usw"};

bool IsAlpha(char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)); }
bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// "e.g", "Fig", or an initial ("J"): the full stop behind it ends no sentence.
bool IsAbbreviation(std::string_view before) {
  std::size_t begin = before.size();
  while (begin > 0 && (IsAlpha(before[begin - 1]) || before[begin - 1] == '.')) --begin;
  const std::string_view word = before.substr(begin);
  if (word.size() == 1) return absl::ascii_isupper(static_cast<unsigned char>(word[0]));
  if (word.empty() || word.size() > 6) return false;
  return std::any_of(kAbbreviations.begin(), kAbbreviations.end(),
                     [word](std::string_view known) { return EqualsIgnoreCase(word, known); });
}

// 1, 2 or 3 bytes of a character that closes a quotation or bracket; 0 for others.
std::size_t CloserAt(std::string_view text, std::size_t i) {
  if (i >= text.size()) return 0;
  const char c = text[i];
  if (c == '"' || c == '\'' || c == ')' || c == ']') return 1;
  for (const std::string_view quote : {"\u201d", "\u2019", "\u00bb", "\u300d"})
    if (text.substr(i, quote.size()) == quote) return quote.size();
  return 0;
}

bool EndsCjkSentence(std::string_view text, std::size_t i, std::size_t& next) {
  for (const std::string_view mark : {"\u3002", "\uff01", "\uff1f"}) {
    if (text.substr(i, mark.size()) != mark) continue;
    next = i + mark.size();
    return true;
  }
  return false;
}

// A sentence ends at the mark text[i] when white space follows and what comes next begins like one.
bool EndsSentence(std::string_view text, std::size_t i, std::size_t& next) {
  const char c = text[i];
  if (c != '.' && c != '!' && c != '?') return EndsCjkSentence(text, i, next);
  std::size_t j = i + 1;
  while (j < text.size() && (text[j] == '.' || text[j] == '!' || text[j] == '?')) ++j;
  while (const std::size_t closer = CloserAt(text, j)) j += closer;
  next = j;
  if (j >= text.size()) return true;
  if (!IsSpace(text[j])) return false;
  std::size_t k = j;
  while (k < text.size() && IsSpace(text[k])) ++k;
  if (k < text.size() && absl::ascii_islower(static_cast<unsigned char>(text[k]))) return false;
  return c != '.' || !IsAbbreviation(text.substr(0, i));
}

std::vector<std::size_t> LineEnds(std::string_view text) {
  std::vector<std::size_t> ends;
  for (std::size_t i = text.find('\n'); i != std::string_view::npos; i = text.find('\n', i + 1))
    ends.push_back(i);
  ends.push_back(text.size());
  return ends;
}

std::vector<std::size_t> CellEnds(std::string_view text) {
  std::vector<std::size_t> ends;
  for (std::size_t i = 0; i + 1 < text.size(); ++i)
    if ((text[i] == ';' || text[i] == '|') && text[i + 1] == ' ') ends.push_back(i + 1);
  ends.push_back(text.size());
  return ends;
}

// Cuts text[begin, end) between words, and within words that are too long on their own.
void SplitWords(std::string_view text, std::size_t begin, std::size_t end, double tokens_max,
                double scale, std::vector<Piece>& out) {
  Piece piece{begin, begin, 0, Cut::kAnywhere};
  const auto flush = [&] {
    if (piece.end > piece.begin) out.push_back(piece);
  };
  // No word of this many bytes can be above the limit: 2 tokens a byte is more than any text has.
  const auto word_bytes =
      std::max<std::size_t>(4, static_cast<std::size_t>(tokens_max / scale / 2));
  for (std::size_t i = begin; i < end;) {
    if (IsSpace(text[i])) {
      ++i;
      continue;
    }
    std::size_t stop = i;
    while (stop < end && !IsSpace(text[stop]) && stop - i < word_bytes) ++stop;
    if (stop < end && !IsSpace(text[stop])) stop = FloorBoundary(text, stop);
    if (stop <= i) stop = std::min(end, i + 4);
    double tokens = EstimateTokens(text.substr(i, stop - i), scale);
    // Part of a longer word: its parts may be estimated lower than the whole.
    const bool part = (stop < end && !IsSpace(text[stop])) || (i > begin && !IsSpace(text[i - 1]));
    if (part) tokens = std::max(tokens, scale * (1 + 0.6 * static_cast<double>(stop - i)));
    if (piece.end > piece.begin && piece.tokens + tokens > tokens_max) {
      flush();
      piece = Piece{i, i, 0, Cut::kAnywhere};
    }
    if (piece.end == piece.begin) piece.begin = i;
    piece.end = stop;
    piece.tokens += tokens;
    i = stop;
  }
  flush();
}

Piece Trimmed(std::string_view text, Piece piece, bool keep_indent) {
  while (piece.end > piece.begin && IsSpace(text[piece.end - 1])) --piece.end;
  while (piece.begin < piece.end &&
         (keep_indent ? text[piece.begin] == '\n' : IsSpace(text[piece.begin])))
    ++piece.begin;
  return piece;
}

}  // namespace

std::vector<std::size_t> SentenceEnds(std::string_view text) {
  std::vector<std::size_t> ends;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t next = i + 1;
    if (EndsSentence(text, i, next) && next < text.size()) ends.push_back(next);
    i = std::max(next, i + 1);
  }
  ends.push_back(text.size());
  return ends;
}

std::vector<Piece> SplitBlock(BlockKind kind, std::string_view text, double tokens_max,
                              double scale) {
  const bool code = kind == BlockKind::kCode;
  const bool row = kind == BlockKind::kTableRow;
  const Cut own = code || row || kind == BlockKind::kListItem ? Cut::kItem : Cut::kBlock;
  Piece whole = Trimmed(text, {0, text.size(), 0, own}, code);
  if (whole.begin == whole.end) return {};
  whole.tokens = EstimateTokens(text.substr(whole.begin, whole.end - whole.begin), scale);
  if (whole.tokens <= tokens_max) return {whole};

  std::vector<Piece> pieces;
  std::size_t begin = 0;
  for (const std::size_t end : code ? LineEnds(text) : row ? CellEnds(text) : SentenceEnds(text)) {
    Piece piece = Trimmed(text, {begin, end, 0, code ? Cut::kLine : Cut::kSentence}, code);
    begin = end;
    if (piece.begin == piece.end) continue;
    piece.tokens = EstimateTokens(text.substr(piece.begin, piece.end - piece.begin), scale);
    if (piece.tokens <= tokens_max)
      pieces.push_back(piece);
    else
      SplitWords(text, piece.begin, piece.end, tokens_max, scale, pieces);
    if (!pieces.empty()) pieces.back().cut = piece.cut;
  }
  if (!pieces.empty()) pieces.back().cut = own;
  return pieces;
}

}  // namespace tessera
