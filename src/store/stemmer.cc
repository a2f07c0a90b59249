// Porter's stemmer, after the 1980 paper: five steps of suffix rules, guarded by the measure m of
// what remains (the number of vowel-consonant sequences in it).

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "store/text_terms.h"

namespace tessera {
namespace {

class Word {
 public:
  explicit Word(std::string text) : text_(std::move(text)) {}

  void Steps() {
    Plurals();
    PastAndGerund();
    FinalY();
    Replace(kStep2);
    Replace(kStep3);
    Residual();
    FinalE();
  }
  std::string Take() { return std::move(text_); }

 private:
  using Rule = std::pair<std::string_view, std::string_view>;
  // The longest suffix that fits decides: longer ones stand before those they end in.
  static constexpr std::array<Rule, 21> kStep2 = {
      {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
       {"izer", "ize"},    {"abli", "able"},   {"alli", "al"},     {"entli", "ent"},
       {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
       {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
       {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"},
       {"logi", "log"}}};
  static constexpr std::array<Rule, 7> kStep3 = {{{"icate", "ic"},
                                                  {"ative", ""},
                                                  {"alize", "al"},
                                                  {"iciti", "ic"},
                                                  {"ical", "ic"},
                                                  {"ful", ""},
                                                  {"ness", ""}}};
  static constexpr std::array<std::string_view, 19> kStep4 = {
      "al",  "ance", "ence", "er",  "ic",  "able", "ible", "ant", "ement", "ment",
      "ent", "ion",  "ou",   "ism", "ate", "iti",  "ous",  "ive", "ize"};

  bool Consonant(std::size_t i) const {
    switch (text_[i]) {
      case 'a':
      case 'e':
      case 'i':
      case 'o':
      case 'u':
        return false;
      case 'y':
        return i == 0 || !Consonant(i - 1);
      default:
        return true;
    }
  }
  int Measure(std::size_t length) const {
    int m = 0;
    bool vowel = false;
    for (std::size_t i = 0; i < length; ++i) {
      const bool consonant = Consonant(i);
      if (consonant && vowel) ++m;
      vowel = !consonant;
    }
    return m;
  }
  bool HasVowel(std::size_t length) const {
    for (std::size_t i = 0; i < length; ++i)
      if (!Consonant(i)) return true;
    return false;
  }
  bool EndsDouble() const {
    const std::size_t n = text_.size();
    return n >= 2 && text_[n - 1] == text_[n - 2] && Consonant(n - 1);
  }
  // consonant, vowel, consonant other than w, x, y: an "e" was dropped, as in hop(e).
  bool EndsShort(std::size_t n) const {
    if (n < 3 || !Consonant(n - 1) || Consonant(n - 2) || !Consonant(n - 3)) return false;
    return text_[n - 1] != 'w' && text_[n - 1] != 'x' && text_[n - 1] != 'y';
  }
  bool Ends(std::string_view suffix) const { return text_.ends_with(suffix); }
  std::size_t Before(std::string_view suffix) const { return text_.size() - suffix.size(); }

  void Plurals() {
    if (Ends("sses") || Ends("ies"))
      text_.resize(text_.size() - 2);
    else if (Ends("s") && !Ends("ss"))
      text_.pop_back();
  }
  void PastAndGerund() {
    if (Ends("eed")) {
      if (Measure(Before("eed")) > 0) text_.pop_back();
      return;
    }
    const std::string_view suffix = Ends("ed") ? "ed" : Ends("ing") ? "ing" : "";
    if (suffix.empty() || !HasVowel(Before(suffix))) return;
    text_.resize(Before(suffix));
    if (Ends("at") || Ends("bl") || Ends("iz"))
      text_ += 'e';
    else if (EndsDouble() && !Ends("l") && !Ends("s") && !Ends("z"))
      text_.pop_back();
    else if (Measure(text_.size()) == 1 && EndsShort(text_.size()))
      text_ += 'e';
  }
  void FinalY() {
    if (Ends("y") && HasVowel(text_.size() - 1)) text_.back() = 'i';
  }
  template <class Rules>
  void Replace(const Rules& rules) {
    for (const auto& [suffix, with] : rules) {
      if (!Ends(suffix)) continue;
      if (Measure(Before(suffix)) > 0) text_.replace(Before(suffix), suffix.size(), with);
      return;
    }
  }
  void Residual() {
    std::string_view longest;
    for (const std::string_view suffix : kStep4)
      if (Ends(suffix) && suffix.size() > longest.size()) longest = suffix;
    if (longest.empty()) return;
    const std::size_t rest = Before(longest);
    if (longest == "ion" && (rest == 0 || (text_[rest - 1] != 's' && text_[rest - 1] != 't')))
      return;
    if (Measure(rest) > 1) text_.resize(rest);
  }
  void FinalE() {
    if (Ends("e")) {
      const int m = Measure(text_.size() - 1);
      if (m > 1 || (m == 1 && !EndsShort(text_.size() - 1))) text_.pop_back();
    }
    if (Ends("ll") && Measure(text_.size() - 1) > 1) text_.pop_back();
  }

  std::string text_;
};

}  // namespace

std::string Stem(std::string word) {
  if (word.size() < 3) return word;
  for (const char c : word)
    if (c < 'a' || c > 'z') return word;  // numbers, other alphabets
  Word stemmed(std::move(word));
  stemmed.Steps();
  return stemmed.Take();
}

}  // namespace tessera
