#include "store/text_terms.h"

#include <algorithm>
#include <array>

namespace tessera {
namespace {

constexpr std::size_t kWordBytesMax = 64;  // longer ones are cut: no one types them
constexpr std::size_t kCompoundBytesMax = 96;

// What a question is made of rather than about.
constexpr std::string_view kStopWords[] = {
    "a",      "about", "after", "all",    "also",    "am",    "an",    "and",   "any",    "are",
    "as",     "at",    "be",    "been",   "being",   "but",   "by",    "can",   "cannot", "could",
    "did",    "do",    "does",  "doing",  "done",    "each",  "for",   "from",  "get",    "give",
    "had",    "has",   "have",  "having", "he",      "her",   "here",  "him",   "his",    "how",
    "i",      "if",    "in",    "into",   "is",      "it",    "its",   "just",  "let",    "make",
    "may",    "me",    "might", "more",   "most",    "must",  "my",    "need",  "no",     "nor",
    "not",    "of",    "off",   "on",     "one",     "only",  "or",    "other", "our",    "out",
    "please", "same",  "shall", "she",    "should",  "so",    "some",  "such",  "tell",   "than",
    "that",   "the",   "their", "them",   "then",    "there", "these", "they",  "thing",  "this",
    "those",  "to",    "too",   "up",     "us",      "use",   "used",  "using", "very",   "want",
    "was",    "way",   "we",    "were",   "what",    "when",  "where", "which", "while",  "who",
    "whom",   "why",   "will",  "with",   "without", "would", "you",   "your",  "s",      "t"};

TermId Hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, its halves mixed
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash ^= hash >> 29;
  return static_cast<TermId>(hash ^ (hash >> 32));
}

// Decodes one code point at `at` and moves past it; 0 for bytes that are not UTF-8.
char32_t Decode(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (length == 1) return text[at++] == '\0' ? U' ' : lead;
  if (lead < 0xc2 || lead > 0xf4 || at + length > text.size()) {
    ++at;
    return 0;
  }
  char32_t code = lead & (0xff >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) {
      ++at;
      return 0;
    }
    code = (code << 6) | (byte(at + i) & 0x3f);
  }
  at += length;
  return code;
}

void Encode(char32_t code, std::string& out) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | (code >> 6));
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3f));
    put(0x80 | ((code >> 6) & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

// U+00C0…U+017F without its accent and in lower case; '?' marks what is no letter or has two.
constexpr std::string_view kLatin =
    "aaaaaa?ceeeeiiiidnooooo?ouuuuy??aaaaaa?ceeeeiiiidnooooo?ouuuuy?y"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii??jjkkklllllll"
    "lllnnnnnnnnnoooooo??rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
static_assert(kLatin.size() == 0x180 - 0xc0);

bool IsCjk(char32_t c) {
  return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) ||
         (c >= 0xac00 && c <= 0xd7af) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0x20000 && c <= 0x3ffff);
}

bool IsWordBeyondAscii(char32_t c) {
  if (c < 0xaa || c == 0xd7 || c == 0xf7) return false;
  if (c < 0xc0) return c == 0xaa || c == 0xb5 || c == 0xba;
  if (c >= 0x2000 && c <= 0x2bff) return false;  // punctuation, symbols, arrows, boxes
  if (c >= 0x3000 && c <= 0x303f) return false;
  if (c >= 0xff00 && c <= 0xff0f) return false;
  return c < 0xe000 || c > 0xf8ff;  // not private use
}

// Appends the folded letter or digit; false for what separates words.
bool Fold(char32_t c, std::string& word) {
  if (c < 0x80) {
    if (c >= U'A' && c <= U'Z') c += 32;
    if ((c < U'a' || c > U'z') && (c < U'0' || c > U'9')) return false;
    word += static_cast<char>(c);
    return true;
  }
  if (c >= 0x300 && c <= 0x36f) return !word.empty();  // an accent of its own
  if (!IsWordBeyondAscii(c)) return false;
  if (c >= 0xc0 && c < 0x180 && kLatin[c - 0xc0] != '?') {
    word += kLatin[c - 0xc0];
    return true;
  }
  if (c == 0xdf) {
    word += "ss";
    return true;
  }
  if ((c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f)) c += 32;  // Greek, Cyrillic
  if (c >= 0x400 && c <= 0x40f) c += 80;
  if (c == 0x3c2) c = 0x3c3;  // final sigma
  Encode(c, word);
  return true;
}

using Sink = absl::FunctionRef<void(TermId id, bool compound, std::string_view word)>;

class Splitter {
 public:
  explicit Splitter(Sink sink) : sink_(sink) {}

  void Run(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
      const char32_t c = Decode(text, at);
      if (c >= 0x3040 && IsCjk(c)) {
        EndCompound();
        Pair(c);
        continue;
      }
      EndPairs();
      if (Fold(c, word_)) continue;
      EndWord();
      const bool joins = (c == U'_' || c == U'-' || c == U'.') && !compound_.empty();
      if (joins)
        joint_ = static_cast<char>(c);
      else
        EndCompound();
    }
    EndPairs();
    EndCompound();
  }

 private:
  void EndWord() {
    if (word_.empty()) {
      // Two joints in a row, or one after nothing: what was joined before is complete.
      if (joint_ != 0) EndParts();
      return;
    }
    word_.resize(std::min(word_.size(), kWordBytesMax));
    if (joint_ != 0 && compound_.size() + word_.size() < kCompoundBytesMax) {
      compound_ += joint_;
      compound_ += word_;
      ++parts_;
    } else {
      EndParts();
      compound_ = word_;
      parts_ = 1;
    }
    joint_ = 0;
    const std::string stem = Stem(word_);
    sink_(Hash(stem), false, word_);
    word_.clear();
  }
  void EndParts() {
    if (parts_ > 1) sink_(Hash(compound_), true, compound_);
    compound_.clear();
    parts_ = 0;
    joint_ = 0;
  }
  void EndCompound() {
    EndWord();
    EndParts();
  }
  void Pair(char32_t c) {
    std::string pair;
    if (previous_ != 0) Encode(previous_, pair);
    Encode(c, pair);
    if (previous_ != 0) sink_(Hash(pair), false, pair);
    alone_ = previous_ == 0;
    previous_ = c;
  }
  void EndPairs() {
    if (previous_ != 0 && alone_) {
      std::string single;
      Encode(previous_, single);
      sink_(Hash(single), false, single);
    }
    previous_ = 0;
    alone_ = false;
  }

  Sink sink_;
  std::string word_;
  std::string compound_;
  int parts_ = 0;
  char joint_ = 0;
  char32_t previous_ = 0;
  bool alone_ = false;
};

}  // namespace

bool IsStopWord(std::string_view word) {
  static const auto sorted = [] {
    std::array<std::string_view, std::size(kStopWords)> words;
    std::copy(std::begin(kStopWords), std::end(kStopWords), words.begin());
    std::sort(words.begin(), words.end());
    return words;
  }();
  return std::binary_search(sorted.begin(), sorted.end(), word);
}

void ForEachTerm(std::string_view text, absl::FunctionRef<void(TermId, bool)> sink) {
  const auto forward = [&](TermId id, bool compound, std::string_view) { sink(id, compound); };
  Splitter splitter(forward);
  splitter.Run(text);
}

std::vector<TermId> QueryTerms(std::string_view query, std::size_t terms_max) {
  std::vector<TermId> words;
  std::vector<TermId> stop_words;
  const auto add = [&](TermId id, bool, std::string_view word) {
    auto& list = IsStopWord(word) ? stop_words : words;
    if (list.size() < terms_max && std::find(list.begin(), list.end(), id) == list.end())
      list.push_back(id);
  };
  Splitter splitter(add);
  splitter.Run(query);
  return words.empty() ? stop_words : words;
}

}  // namespace tessera
