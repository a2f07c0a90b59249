#pragma once
// Numbers as DWARF writes them, out of bounded memory.

#include <cstdint>
#include <cstring>
#include <string_view>

namespace tessera {

/// Past the end everything is 0, and ok() false.
class ByteReader {
 public:
  ByteReader(const std::uint8_t* at, const std::uint8_t* end) : at_(at), end_(end) {}
  explicit ByteReader(std::string_view bytes)
      : ByteReader(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                   reinterpret_cast<const std::uint8_t*>(bytes.data()) + bytes.size()) {}

  template <class T>
  T Fixed() {
    T value = 0;
    if (static_cast<std::size_t>(end_ - at_) < sizeof(T)) {
      Fail();
      return 0;
    }
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::uint64_t Unsigned() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; at_ < end_; shift += 7) {
      const std::uint8_t byte = *at_++;
      if (shift < 64) value |= std::uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    Fail();
    return 0;
  }
  std::int64_t Signed() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; at_ < end_;) {
      const std::uint8_t byte = *at_++;
      if (shift < 64) value |= std::uint64_t{byte & 0x7fu} << shift;
      shift += 7;
      if ((byte & 0x80) != 0) continue;
      if (shift < 64 && (byte & 0x40) != 0) value |= ~std::uint64_t{0} << shift;
      return static_cast<std::int64_t>(value);
    }
    Fail();
    return 0;
  }
  std::string_view Bytes(std::uint64_t size) {
    if (size > static_cast<std::uint64_t>(end_ - at_)) {
      Fail();
      return {};
    }
    const std::string_view bytes(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    return bytes;
  }
  /// Up to a zero byte, without it.
  std::string_view Text() {
    const void* const zero = std::memchr(at_, 0, static_cast<std::size_t>(end_ - at_));
    if (zero == nullptr) {
      Fail();
      return {};
    }
    const std::string_view text =
        Bytes(static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(zero) - at_));
    ++at_;
    return text;
  }
  void Skip(std::uint64_t size) { Bytes(size); }
  std::string_view Rest() { return Bytes(static_cast<std::uint64_t>(end_ - at_)); }

  const std::uint8_t* at() const { return at_; }
  bool empty() const { return at_ == end_; }
  bool ok() const { return ok_; }

 private:
  void Fail() {
    at_ = end_;
    ok_ = false;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool ok_ = true;
};

}  // namespace tessera
