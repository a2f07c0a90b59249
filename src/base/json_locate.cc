#include "base/json_locate.h"

#include <string>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kDepthMax = 64;

// A scanner after RFC 8259's grammar with its own stack of open brackets.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  JsonFault Run() {
    if (!Document() && !fault_.found) Fail("a value");
    return fault_;
  }

 private:
  bool Document() {
    if (!Value()) return false;
    while (!open_.empty()) {
      if (!Inside()) return false;
    }
    Space();
    return at_ == text_.size() || Fail("the end of the text");
  }

  // One step inside the innermost bracket: the next element, or its end.
  bool Inside() {
    Space();
    const bool object = open_.back() == '{';
    const char close = object ? '}' : ']';
    if (fresh_) {
      fresh_ = false;
      if (Accept(close)) return Close();
    } else {
      if (Accept(close)) return Close();
      if (!Accept(',')) return Fail(object ? "',' or '}'" : "',' or ']'");
      Space();
    }
    if (object) {
      if (Peek() != '"') return Fail("a name in double quotes");
      if (!String()) return false;
      Space();
      if (!Accept(':')) return Fail("':'");
    }
    return Value();
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  bool Value() {
    Space();
    switch (Peek()) {
      case '{':
      case '[':
        if (open_.size() >= kDepthMax) return Fail("fewer levels (at most 64)");
        open_.push_back(text_[at_++]);
        fresh_ = true;
        return true;
      case '"':
        return String();
      case 't':
        return Word("true");
      case 'f':
        return Word("false");
      case 'n':
        return Word("null");
      default:
        return Number();
    }
  }

  bool Word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return Fail("a value");
    at_ += word.size();
    return true;
  }

  bool Number() {
    const std::size_t start = at_;
    Accept('-');
    if (Accept('0')) {
      if (IsDigit()) return Fail("no digit after a leading 0");
    } else if (!Digits()) {
      return at_ == start ? Fail("a value") : Fail("a digit");
    }
    if (Accept('.') && !Digits()) return Fail("a digit");
    if (Accept('e') || Accept('E')) {
      if (!Accept('+')) Accept('-');
      if (!Digits()) return Fail("a digit");
    }
    return true;
  }

  bool String() {
    ++at_;
    while (at_ < text_.size()) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c < 0x20) return Fail("an escape (\\n, \\t …) instead of a control character");
      if (c == '\\') {
        if (!Escape()) return false;
      } else {
        ++at_;
      }
    }
    return Fail("'\"' at the end of a string");
  }

  bool Escape() {
    ++at_;
    const char c = Peek();
    if (c == 'u') {
      ++at_;
      for (int i = 0; i < 4; ++i, ++at_) {
        if (!IsHex(Peek())) return Fail("four hexadecimal digits after \\u");
      }
      return true;
    }
    if (c == 0 || std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) {
      return Fail("one of \" \\ / b f n r t u after a backslash");
    }
    ++at_;
    return true;
  }

  static bool IsHex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  }
  bool IsDigit() const { return Peek() >= '0' && Peek() <= '9'; }
  bool Digits() {
    const std::size_t start = at_;
    while (IsDigit()) ++at_;
    return at_ > start;
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Accept(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void Space() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool Fail(std::string_view expected) {
    if (!fault_.found) fault_ = {true, at_, expected};
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string open_;
  bool fresh_ = false;
  JsonFault fault_;
};

}  // namespace

JsonFault FindJsonFault(std::string_view text) { return Scanner(text).Run(); }

Status LocateJsonError(std::string_view text, std::string_view reason) {
  if (text.empty()) return absl::InvalidArgumentError("bad JSON: the text is empty");
  const JsonFault fault = FindJsonFault(text);
  if (!fault.found) return absl::InvalidArgumentError(StrCat("bad JSON: ", reason));
  std::size_t line = 1;
  std::size_t column = 1;
  for (const char c : text.substr(0, fault.offset)) {
    if (c == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++column;
    }
  }
  return absl::InvalidArgumentError(
      StrCat("bad JSON at line ", line, ", column ", column, ": expected ", fault.expected,
             fault.offset == text.size() ? ", found the end of the text" : ""));
}

}  // namespace tessera
