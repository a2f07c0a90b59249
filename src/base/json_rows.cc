#include "base/json_rows.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kRowFirst = 1024;  // numbers of a row, until one is known
constexpr std::size_t kDigitsMax = 19;   // of a number that 64 bits hold
constexpr std::array<double, 23> kPowersOfTen = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class RowReader {
 public:
  explicit RowReader(std::string_view text)
      : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {}

  Result<std::vector<std::vector<float>>> Read() {
    std::vector<std::vector<float>> rows;
    if (!Take('[')) return Wrong();
    if (!Take(']')) {
      do {
        std::vector<float> row;
        row.reserve(rows.empty() ? kRowFirst : rows.front().size());
        if (!ReadRow(row)) return Wrong();
        rows.push_back(std::move(row));
      } while (Take(','));
      if (!Take(']')) return Wrong();
    }
    SkipSpace();
    if (at_ != end_) return Wrong();
    return rows;
  }

 private:
  bool ReadRow(std::vector<float>& row) {
    if (!Take('[')) return false;
    if (Take(']')) return true;
    do {
      SkipSpace();
      const std::optional<float> number = ReadNumber();
      if (!number) return false;
      row.push_back(*number);
    } while (Take(','));
    return Take(']');
  }

  // RFC 8259, section 6.
  std::optional<float> ReadNumber() {
    const char* const number = at_;
    const bool negative = at_ != end_ && *at_ == '-';
    if (negative) ++at_;
    if (at_ == end_ || !IsDigit(*at_)) return std::nullopt;
    std::uint64_t whole = 0;
    std::size_t digits = 0;
    if (*at_ == '0') {
      ++at_;
    } else {
      digits = ReadDigits(whole);
    }
    std::size_t decimals = 0;
    if (at_ != end_ && *at_ == '.') {
      const char* const behind = ++at_;
      while (digits == 0 && at_ != end_ && *at_ == '0') ++at_;  // these do not count
      digits += ReadDigits(whole);
      decimals = static_cast<std::size_t>(at_ - behind);
      if (decimals == 0) return std::nullopt;
    }
    const bool exponent = at_ != end_ && (*at_ == 'e' || *at_ == 'E');
    if (exponent && !SkipExponent()) return std::nullopt;
    if (!exponent && digits <= kDigitsMax && decimals < kPowersOfTen.size()) {
      // Wrong by less than the slack, which hardly ever lies across the middle of two floats.
      constexpr double kSlack = 4e-16;
      const double size = static_cast<double>(whole) / kPowersOfTen[decimals];
      const auto value = static_cast<float>(size * (1 - kSlack));
      if (value == static_cast<float>(size * (1 + kSlack))) return negative ? -value : value;
    }
    double value = 0;
    const auto parsed = std::from_chars(number, at_, value);
    if (parsed.ec != std::errc() || parsed.ptr != at_) return std::nullopt;
    return static_cast<float>(value);
  }

  // How many there were; of more than fit, what `whole` becomes means nothing.
  std::size_t ReadDigits(std::uint64_t& whole) {
    const char* const first = at_;
    const char* at = first;  // a member would be stored for every digit, which is read as a char
    std::uint64_t number = whole;
    while (at != end_ && IsDigit(*at)) number = number * 10 + static_cast<unsigned>(*at++ - '0');
    at_ = at;
    whole = number;
    return static_cast<std::size_t>(at - first);
  }

  bool SkipExponent() {
    ++at_;
    if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    std::uint64_t ignored = 0;
    return ReadDigits(ignored) > 0;
  }

  bool Take(char c) {
    SkipSpace();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  void SkipSpace() {
    while (at_ != end_ && IsSpace(*at_)) ++at_;
  }
  Status Wrong() const {
    return absl::InvalidArgumentError(
        StrCat("not a list of lists of numbers at character ", at_ - begin_ + 1));
  }

  const char* const begin_;
  const char* at_;
  const char* const end_;
};

}  // namespace

Result<std::vector<std::vector<float>>> ParseJsonRows(std::string_view text) {
  return RowReader(text).Read();
}

}  // namespace tessera
