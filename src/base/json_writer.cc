#include "base/json_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace tessera {
namespace {

// 0: copied as it is; 1: escaped or looked at.
constexpr std::array<bool, 256> kSpecial = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 0x20; ++c) table[static_cast<std::size_t>(c)] = true;
  table['"'] = table['\\'] = true;
  for (std::size_t c = 0x80; c < 256; ++c) table[c] = true;
  return table;
}();

// Length of the well-formed UTF-8 sequence at the front, 0 when there is none (Unicode 15, table
// 3-7).
std::size_t SequenceSize(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

void AppendControl(std::string& out, unsigned char c) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '\n':
      out.append("\\n");
      return;
    case '\r':
      out.append("\\r");
      return;
    case '\t':
      out.append("\\t");
      return;
    default:
      out.append("\\u00");
      out.push_back(kHex[c >> 4]);
      out.push_back(kHex[c & 15]);
  }
}

template <class T>
char* WriteNumber(char* out, char* limit, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    // Without an exponent it would be read as a whole number, which has 64 bits at most.
    if (std::abs(value) >= T{1e18})
      return std::to_chars(out, limit, value, std::chars_format::scientific).ptr;
  }
  return std::to_chars(out, limit, value).ptr;
}

template <class T>
void AppendNumber(std::string& out, T value) {
  char buffer[32];
  out.append(buffer, WriteNumber(buffer, buffer + sizeof buffer, value));
}

// Vectors are most of what is written here, so what their numbers look like has a way of its own,
// several times as fast as to_chars: nine decimal digits tell every float from its neighbours, and
// those that were written with seven or fewer come out as they were.
constexpr float kPlainMin = 1e-5F;
constexpr float kPlainMax = 1e6F;
constexpr std::size_t kFloatMax = 20;  // room for one as text, with sign and comma
constexpr std::array<double, 15> kPowersOfTen = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                                 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};

// Two digits each, as they lie in memory.
static_assert(std::endian::native == std::endian::little);
constexpr std::array<std::uint16_t, 100> kPairs = [] {
  std::array<std::uint16_t, 100> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i)
    pairs[i] = static_cast<std::uint16_t>(('0' + i / 10) | ('0' + i % 10) << 8);
  return pairs;
}();
constexpr std::uint64_t kEightZeros = 0x3030'3030'3030'3030;

// The text of eight digits.
std::uint64_t EightDigits(std::uint32_t digits) {
  const std::uint32_t high = digits / 10'000;
  const std::uint32_t low = digits % 10'000;
  return static_cast<std::uint64_t>(kPairs[high / 100]) |
         static_cast<std::uint64_t>(kPairs[high % 100]) << 16 |
         static_cast<std::uint64_t>(kPairs[low / 100]) << 32 |
         static_cast<std::uint64_t>(kPairs[low % 100]) << 48;
}

// How many digits stand behind the point when nine count; `value` is as WritePlain takes it. Summed
// up instead of searched for: which it is changes from number to number, and no branch guesses it.
std::size_t DecimalsOf(double value) {
  std::size_t decimals = 9;
  for (const double limit : {1e-1, 1e-2, 1e-3, 1e-4}) decimals += value < limit ? 1 : 0;
  if (value < 1) [[likely]]
    return decimals;
  for (const double limit : {1e0, 1e1, 1e2, 1e3, 1e4, 1e5}) decimals -= value >= limit ? 1 : 0;
  return decimals;
}

// `value` as nine digits, 10^`decimals` times as large; `power` is 10^(`decimals` - 2). Both ways
// are gone and one is chosen, so that several numbers can be worked on at a time.
std::int32_t NineDigits(float value, double power) {
  // Digits and powers are whole numbers that a double holds, so one rounding is all there is; what
  // is so near to the middle between two floats that it could matter keeps its nine digits.
  constexpr double kSlack = 4e-16;
  const double exact = value;
  const auto seven = static_cast<std::int32_t>(exact * power + 0.5);
  const auto nine = static_cast<std::int32_t>(exact * (power * 100) + 0.5);
  const double back = seven / power;
  const bool enough = (static_cast<float>(back * (1 - kSlack)) == value) &
                      (static_cast<float>(back * (1 + kSlack)) == value);
  return enough ? seven * 100 : nine;
}

// Writes nine digits with the point before the last `decimals`, without zeros at the end; its end.
char* WriteDigits(char* out, std::uint32_t digits, std::size_t decimals) {
  if (digits == 1'000'000'000) {  // rounded up to the next power
    digits /= 10;
    --decimals;
  }
  const auto first = static_cast<char>('0' + digits / 100'000'000);
  const std::uint64_t last = EightDigits(digits % 100'000'000);
  const auto ending = static_cast<std::size_t>(std::countl_zero(last ^ kEightZeros)) / 8;
  const std::size_t zeros = std::min(ending, decimals);
  constexpr std::size_t kDigits = 1 + sizeof last;
  if (decimals >= kDigits) [[likely]] {
    std::memcpy(out, "0.0000", 6);
    out += 2 + decimals - kDigits;
    *out = first;
    std::memcpy(out + 1, &last, sizeof last);
    return out + kDigits - zeros;
  }
  char text[kDigits];
  text[0] = first;
  std::memcpy(text + 1, &last, sizeof last);
  const std::size_t before = kDigits - decimals;
  out = std::copy_n(text, before, out);
  if (zeros == decimals) return out;
  *out++ = '.';
  return std::copy_n(text + before, decimals, out) - zeros;
}

char* WriteFloat(char* out, float value) {
  const float size = std::abs(value);
  if (size >= kPlainMin && size < kPlainMax) [[likely]] {
    *out = '-';
    const std::size_t decimals = DecimalsOf(size);
    const std::int32_t digits = NineDigits(size, kPowersOfTen[decimals - 2]);
    return WriteDigits(out + (value < 0 ? 1 : 0), static_cast<std::uint32_t>(digits), decimals);
  }
  if (!std::isfinite(value)) return std::copy_n("null", 4, out);
  return WriteNumber(out, out + kFloatMax, value);
}

constexpr std::size_t kBatch = 16;

// Writes kBatch numbers with a comma behind each, if all are below 1 as those of embeddings are:
// the processor works on several of them at a time. nullptr: they are to be written one by one.
char* WriteFractions(char* out, const float* values) {
  std::array<std::int32_t, kBatch> digits;
  std::array<std::int32_t, kBatch> decimals;
  bool all = true;
  for (std::size_t i = 0; i < kBatch; ++i) {
    const float magnitude = std::abs(values[i]);
    const bool fits = (magnitude >= kPlainMin) & (magnitude < 1);
    const float size = fits ? magnitude : 0.5F;
    all &= fits;
    std::int32_t count = 9;
    double power = 1e7;
    for (const double limit : {1e-1, 1e-2, 1e-3, 1e-4}) {
      const bool below = static_cast<double>(size) < limit;
      count += below ? 1 : 0;
      power *= below ? 10 : 1;
    }
    decimals[i] = count;
    digits[i] = NineDigits(size, power);
  }
  if (!all) return nullptr;
  for (std::size_t i = 0; i < kBatch; ++i) {
    *out = '-';
    out = WriteDigits(out + (values[i] < 0 ? 1 : 0), static_cast<std::uint32_t>(digits[i]),
                      static_cast<std::size_t>(decimals[i]));
    *out++ = ',';
  }
  return out;
}

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && !kSpecial[static_cast<unsigned char>(text[plain])]) ++plain;
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const auto c = static_cast<unsigned char>(text.front());
    std::size_t size = 1;
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c < 0x20) {
      AppendControl(out, c);
    } else {
      const std::size_t whole = SequenceSize(text);
      out.append(whole > 0 ? text.substr(0, whole) : std::string_view("\xEF\xBF\xBD"));
      size = whole > 0 ? whole : 1;
    }
    text.remove_prefix(size);
  }
  out.push_back('"');
}

JsonWriter& JsonWriter::Open(char bracket) {
  Comma();
  out_.push_back(bracket);
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::Close(char bracket) {
  out_.push_back(bracket);
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view name) {
  Comma();
  AppendJsonString(out_, name);
  out_.push_back(':');
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::Value(std::string_view text) {
  Comma();
  AppendJsonString(out_, text);
  return *this;
}

JsonWriter& JsonWriter::Value(bool value) { return Raw(value ? "true" : "false"); }

JsonWriter& JsonWriter::Value(double value) {
  if (!std::isfinite(value)) return Null();
  Comma();
  AppendNumber(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Value(float value) {
  Comma();
  char text[kFloatMax];
  out_.append(text, WriteFloat(text, value));
  return *this;
}

JsonWriter& JsonWriter::Values(std::span<const float> numbers) {
  BeginArray();
  const bool any = !numbers.empty();
  const std::size_t begin = out_.size();
  out_.resize(begin + numbers.size() * kFloatMax);
  char* at = out_.data() + begin;
  while (!numbers.empty()) {
    const std::size_t count = std::min(numbers.size(), kBatch);
    char* const behind = count == kBatch ? WriteFractions(at, numbers.data()) : nullptr;
    if (behind != nullptr) {
      at = behind;
    } else {
      for (const float number : numbers.first(count)) {
        at = WriteFloat(at, number);
        *at++ = ',';
      }
    }
    numbers = numbers.subspan(count);
  }
  if (any) --at;
  out_.resize(static_cast<std::size_t>(at - out_.data()));
  return EndArray();
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  Comma();
  out_.append(json);
  return *this;
}

JsonWriter& JsonWriter::Signed(std::int64_t value) {
  Comma();
  AppendNumber(out_, value);
  return *this;
}

JsonWriter& JsonWriter::Unsigned(std::uint64_t value) {
  Comma();
  AppendNumber(out_, value);
  return *this;
}

}  // namespace tessera
