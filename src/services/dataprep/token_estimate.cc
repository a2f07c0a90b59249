#include "services/dataprep/token_estimate.h"

#include <array>

#include "services/dataprep/utf8.h"

namespace tessera {
namespace {

// Mean tokens of a word by its length, measured over the manual of PostgreSQL 15.
constexpr std::array<double, 16> kLetters = {0,    1.0,  1.01, 1.07, 1.07, 1.10, 1.19, 1.21,
                                             1.28, 1.32, 1.65, 1.50, 1.95, 2.05, 2.5,  3.6};
constexpr std::array<double, 7> kDigits = {0, 1.0, 1.0, 1.27, 1.78, 2.2, 3.3};
constexpr double kLongLetter = 0.36;  // a letter of a longer word
constexpr double kLongDigit = 0.53;
constexpr double kMixedByte = 0.45;  // a character of "x86_64", hashes, base64

struct Word {
  int letters = 0;
  int digits = 0;
};

double TokensOf(const Word& word) {
  const auto letters = static_cast<std::size_t>(word.letters);
  const auto digits = static_cast<std::size_t>(word.digits);
  if (digits == 0)
    return letters < kLetters.size() ? kLetters[letters] : kLongLetter * word.letters;
  if (letters == 0) return digits < kDigits.size() ? kDigits[digits] : kLongDigit * word.digits;
  return 1.0 + kMixedByte * (word.letters + word.digits - 1);
}

bool IsCjk(char32_t c) {
  return (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0x20000 && c <= 0x2fa1f);
}

}  // namespace

double EstimateTokens(std::string_view text, double scale) {
  double tokens = 0;
  Word word;
  const auto end_word = [&] {
    if (word.letters + word.digits > 0) tokens += TokensOf(word);
    word = Word();
  };
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      ++i;
      if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') {
        ++word.letters;
      } else if (byte >= '0' && byte <= '9') {
        ++word.digits;
      } else {
        end_word();
        if (byte > ' ' && byte != 0x7f) tokens += 1;  // punctuation stands alone
      }
      continue;
    }
    const char32_t c = NextCodePoint(text, i);
    if (c < 0x250 && c >= 0xc0) {
      ++word.letters;  // accents are stripped by the tokeniser
    } else if (c >= 0x370 && !IsCjk(c) && c < 0x2000) {
      word.letters += 2;  // other alphabets: letter by letter, nearly
    } else {
      end_word();
      if (c != 0xa0 && !(c >= 0x2000 && c <= 0x200f)) tokens += 1;
    }
  }
  end_word();
  return tokens * scale;
}

}  // namespace tessera
