#include "services/orchestration/sentences.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace tessera {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

constexpr auto kAbbreviations = std::to_array<std::string_view>(
    {"e.g", "i.e", "etc", "vs", "cf", "mr", "mrs", "ms", "dr",  "prof", "st",
     "no",  "fig", "sec", "ch", "p",  "pp", "vol", "al", "inc", "ltd",  "approx"});

// Whether the full stop at `dot` only ends an abbreviation, an initial or stands in a number or
// name.
bool StopsNoSentence(std::string_view text, std::size_t start, std::size_t dot) {
  if (dot + 1 < text.size() && !IsSpace(text[dot + 1]) && text[dot + 1] != '"' &&
      text[dot + 1] != ')') {
    return true;
  }
  std::size_t word = dot;
  while (word > start && !IsSpace(text[word - 1]) && text[word - 1] != '(') --word;
  std::string last(text.substr(word, dot - word));
  if (last.size() == 1 && IsUpper(last[0])) return true;
  for (char& c : last) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(kAbbreviations.begin(), kAbbreviations.end(), last) != kAbbreviations.end();
}

// Whether the next word begins with a small letter, as no sentence does.
bool GoesOn(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] == ' ') ++at;
  return at < text.size() && text[at] >= 'a' && text[at] <= 'z';
}

// Length of a full-width sentence mark (。！？) at `at`, else 0.
std::size_t WideStop(std::string_view text, std::size_t at) {
  for (const std::string_view mark : {"\u3002", "\uff01", "\uff1f"}) {
    if (text.substr(at, mark.size()) == mark) return mark.size();
  }
  return 0;
}

void Add(std::vector<SentenceSpan>& spans, std::string_view text, std::size_t start,
         std::size_t end) {
  while (start < end && IsSpace(text[start])) ++start;
  while (end > start && IsSpace(text[end - 1])) --end;
  if (end > start) spans.push_back({start, end});
}

constexpr auto kStopWords = std::to_array<std::string_view>(
    {"a",     "about", "after", "all",   "also", "am",    "an",    "and",   "any",    "are",
     "as",    "at",    "be",    "been",  "but",  "by",    "can",   "could", "did",    "do",
     "does",  "each",  "for",   "from",  "get",  "had",   "has",   "have",  "he",     "her",
     "here",  "his",   "how",   "i",     "if",   "in",    "into",  "is",    "it",     "its",
     "may",   "me",    "more",  "most",  "my",   "no",    "not",   "of",    "on",     "one",
     "only",  "or",    "other", "our",   "out",  "over",  "own",   "she",   "should", "so",
     "some",  "such",  "tell",  "than",  "that", "the",   "their", "them",  "then",   "there",
     "these", "they",  "this",  "those", "to",   "too",   "under", "up",    "us",     "use",
     "used",  "very",  "was",   "we",    "were", "what",  "when",  "where", "which",  "while",
     "who",   "whom",  "why",   "will",  "with", "would", "you",   "your"});

std::string Stem(std::string word) {
  const auto ends = [&word](std::string_view suffix) {
    return word.size() >= suffix.size() + 3 && std::string_view(word).ends_with(suffix);
  };
  if (ends("ies")) {
    word.replace(word.size() - 3, 3, "y");
  } else if (ends("s") && !ends("ss")) {
    word.pop_back();
  }
  const std::size_t before = word.size();
  if (ends("ing")) {
    word.resize(before - 3);
  } else if (ends("ed")) {
    word.resize(before - 2);
  }
  if (word.size() < before && word[word.size() - 1] == word[word.size() - 2]) word.pop_back();
  if (word.size() > 3 && word.back() == 'e') word.pop_back();
  return word;
}

}  // namespace

std::vector<SentenceSpan> SplitSentences(std::string_view text) {
  std::vector<SentenceSpan> spans;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::size_t end = 0;
    if (text[i] == '\n') {
      end = i + 1;
    } else if (text[i] == '!' || text[i] == '?' ||
               (text[i] == '.' && !StopsNoSentence(text, start, i))) {
      end = i + 1;
      while (end < text.size() && (text[end] == '"' || text[end] == ')')) ++end;
      if (end < text.size() && (!IsSpace(text[end]) || GoesOn(text, end))) end = 0;
    } else if (const std::size_t wide = WideStop(text, i); wide > 0) {
      end = i + wide;
    }
    if (end == 0) continue;
    Add(spans, text, start, end);
    start = end;
    i = end - 1;
  }
  Add(spans, text, start, text.size());
  return spans;
}

std::set<std::string> ContentWords(std::string_view text) {
  std::set<std::string> words;
  std::string word;
  const auto flush = [&] {
    if (word.size() > 1 || (word.size() == 1 && IsDigit(word[0]))) {
      if (std::find(kStopWords.begin(), kStopWords.end(), word) == kStopWords.end()) {
        words.insert(Stem(word));
      }
    }
    word.clear();
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || byte >= 0x80 || c == '_') {
      word.push_back(static_cast<char>(std::tolower(byte)));
    } else {
      flush();
    }
  }
  flush();
  return words;
}

double Coverage(const std::set<std::string>& wanted, const std::set<std::string>& found) {
  if (wanted.empty()) return 0;
  std::size_t both = 0;
  for (const std::string& word : wanted) both += found.count(word);
  return static_cast<double>(both) / static_cast<double>(wanted.size());
}

}  // namespace tessera
