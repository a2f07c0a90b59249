#include "promql/lexer.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/str.h"

namespace tessera {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}
bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<PromToken>> Read() {
    std::vector<PromToken> tokens;
    while (true) {
      SkipBlank();
      PromToken token{.kind = PromToken::Kind::kEnd, .text = {}, .at = at_};
      if (at_ < text_.size()) TRY(ReadOne(token));
      const bool end = token.kind == PromToken::Kind::kEnd;
      tokens.push_back(std::move(token));
      if (end) return tokens;
    }
  }

 private:
  char Peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void SkipBlank() {
    while (at_ < text_.size()) {
      if (IsSpace(Peek())) {
        ++at_;
      } else if (Peek() == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        return;
      }
    }
  }

  Status ReadOne(PromToken& token) {
    const char c = Peek();
    if (IsLetter(c)) {
      token.kind = PromToken::Kind::kWord;
      while (IsLetter(Peek()) || IsDigit(Peek())) token.text += text_[at_++];
      return absl::OkStatus();
    }
    if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
      ReadNumber(token);
      return absl::OkStatus();
    }
    if (c == '"' || c == '\'' || c == '`') return ReadString(token);
    static constexpr std::array<std::string_view, 26> kSigns = {
        "=~", "!~", "!=", "==", ">=", "<=", "+", "-", "*", "/", "%", "^", ">",
        "<",  "=",  "(",  ")",  "{",  "}",  "[", "]", ",", "@", ":", "!", "."};
    for (const std::string_view sign : kSigns) {
      if (!text_.substr(at_).starts_with(sign)) continue;
      token.kind = PromToken::Kind::kSign;
      token.text = sign;
      at_ += sign.size();
      return absl::OkStatus();
    }
    return PromError(text_, at_, "unexpected character");
  }

  // A number with a unit's letter behind it is a duration.
  void ReadNumber(PromToken& token) {
    token.kind = PromToken::Kind::kNumber;
    while (IsDigit(Peek()) || Peek() == '.') token.text += text_[at_++];
    const std::size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 1 : 0;
    if ((Peek() == 'e' || Peek() == 'E') && IsDigit(Peek(1 + sign))) {
      token.text += text_.substr(at_, 1 + sign);
      at_ += 1 + sign;
      while (IsDigit(Peek())) token.text += text_[at_++];
    }
    if (!IsLetter(Peek()) || Peek() == ':') return;
    token.kind = PromToken::Kind::kDuration;
    while ((IsLetter(Peek()) && Peek() != ':') || IsDigit(Peek())) token.text += text_[at_++];
  }

  Status ReadString(PromToken& token) {
    token.kind = PromToken::Kind::kString;
    const std::size_t begin = at_;
    const char quote = text_[at_++];
    while (at_ < text_.size() && Peek() != quote) {
      if (Peek() == '\n' && quote != '`') break;
      if (Peek() != '\\' || quote == '`') {
        token.text += text_[at_++];
        continue;
      }
      ++at_;
      static constexpr std::string_view kEscapes = "abfnrtv\\'\"";
      static constexpr std::string_view kMeant = "\a\b\f\n\r\t\v\\'\"";
      const std::size_t which = kEscapes.find(Peek());
      if (at_ >= text_.size() || which == std::string_view::npos)
        return PromError(text_, at_, "unknown escape sequence");
      token.text += kMeant[which];
      ++at_;
    }
    if (at_ >= text_.size() || Peek() != quote)
      return PromError(text_, begin, "unterminated quoted string");
    ++at_;
    return absl::OkStatus();
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Status PromError(std::string_view text, std::size_t at, std::string_view what) {
  const std::string_view before = text.substr(0, at);
  const auto line = 1 + std::ranges::count(before, '\n');
  const std::size_t begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return absl::InvalidArgumentError(
      StrCat(static_cast<std::int64_t>(line), ":", at - begin + 1, ": parse error: ", what));
}

Result<std::vector<PromToken>> ReadPromTokens(std::string_view text) { return Lexer(text).Read(); }

}  // namespace tessera
