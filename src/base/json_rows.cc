#include "base/json_rows.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
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

/// Eight characters, looked at together: a loop over digits ends elsewhere for each number, and to
/// guess wrong where costs more than the digits.
class EightCharacters {
 public:
  static constexpr std::size_t kSize = 8;

  explicit EightCharacters(const char* at) {
    static_assert(std::endian::native == std::endian::little);  // the first is the lowest byte
    std::memcpy(&bytes_, at, kSize);
    bytes_ ^= 0x3030'3030'3030'3030;  // a digit becomes its value
  }
  /// How many digits there are before something else.
  std::size_t Digits() const {
    const std::uint64_t other = ((bytes_ + 0x7676'7676'7676'7676) | bytes_) & 0x8080'8080'8080'8080;
    return static_cast<std::size_t>(std::countr_zero(other)) / 8;
  }
  /// What the first `count` of them say, all digits.
  std::uint64_t Number(std::size_t count) const {
    std::uint64_t digits = count == 0 ? 0 : bytes_ << 8 * (kSize - count);  // others become zeros
    digits = (digits * 10 + (digits >> 8)) & 0x00FF'00FF'00FF'00FF;
    digits = (digits * 100 + (digits >> 16)) & 0x0000'FFFF'0000'FFFF;
    return (digits * 10'000 + (digits >> 32)) & 0xFFFF'FFFF;
  }

 private:
  std::uint64_t bytes_ = 0;
};
constexpr std::array<std::uint64_t, EightCharacters::kSize + 1> kScales = {
    1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};

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
      ReadFractions(row);
      SkipSpace();
      const std::optional<float> number = ReadNumber();
      if (!number) return false;
      row.push_back(*number);
    } while (Take(','));
    return Take(']');
  }

  // As many as come of "0.0123," and "-0.0123, ", which is how nearly all numbers of embeddings
  // look.
  void ReadFractions(std::vector<float>& row) {
    constexpr std::size_t kSize = EightCharacters::kSize;
    constexpr std::size_t kRoom = 3 * kSize + 5;  // with sign, "0.", comma and space
    const char* at = at_;                         // a member would be stored for every number
    while (static_cast<std::size_t>(end_ - at) >= kRoom) {
      const bool negative = *at == '-';
      const char* const number = at + (negative ? 1 : 0);
      if (number[0] != '0' || number[1] != '.') break;
      const EightCharacters first(number + 2);
      std::size_t decimals = first.Digits();
      std::uint64_t digits = 0;
      if (decimals < kSize) {
        digits = first.Number(decimals);
      } else {
        const EightCharacters second(number + 2 + kSize);
        const std::size_t in_second = second.Digits();
        digits = first.Number(kSize) * kScales[in_second] + second.Number(in_second);
        decimals = kSize + in_second;
        if (in_second == kSize) {
          const EightCharacters third(number + 2 + 2 * kSize);
          const std::size_t in_third = third.Digits();
          digits = digits * kScales[in_third] + third.Number(in_third);
          decimals = 2 * kSize + in_third;
        }
      }
      const char* const behind = number + 2 + decimals;
      if (decimals == 0 || decimals > kDigitsMax || *behind != ',') break;
      const std::optional<float> value = NearestFloat(digits, decimals);
      if (!value) break;
      row.push_back(negative ? -*value : *value);
      at = behind + 1;
      if (*at == ' ') [[unlikely]]
        ++at;
    }
    at_ = at;
  }

  // `digits` / 10^`decimals`, unless it may lie across the middle of two floats.
  static std::optional<float> NearestFloat(std::uint64_t digits, std::size_t decimals) {
    // Wrong by less than the slack, which hardly ever lies across the middle of two floats.
    constexpr double kSlack = 4e-16;
    const double size = static_cast<double>(digits) / kPowersOfTen[decimals];
    const auto value = static_cast<float>(size * (1 - kSlack));
    if (value != static_cast<float>(size * (1 + kSlack))) return std::nullopt;
    return value;
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
      const std::optional<float> value = NearestFloat(whole, decimals);
      if (value) return negative ? -*value : *value;
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
