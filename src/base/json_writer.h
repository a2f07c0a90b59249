#pragma once
// Writing JSON: appends to one string, no tree in between.

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tessera {

/// Appends `text` as a JSON string with its quotes; broken UTF-8 becomes U+FFFD.
void AppendJsonString(std::string& out, std::string_view text);

/// Writes one JSON value. Commas are its business, nesting is the caller's. Not thread-safe.
class JsonWriter {
 public:
  explicit JsonWriter(std::size_t size_hint = 256) { out_.reserve(size_hint); }

  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  JsonWriter& Key(std::string_view name);

  JsonWriter& Value(std::string_view text);
  JsonWriter& Value(const char* text) { return Value(std::string_view(text)); }
  JsonWriter& Value(const std::string& text) { return Value(std::string_view(text)); }
  JsonWriter& Value(bool value);
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  JsonWriter& Value(T value) {
    if constexpr (std::is_signed_v<T>) {
      return Signed(value);
    } else {
      return Unsigned(value);
    }
  }
  /// Text that reads back the same, the shortest of a double; NaN and infinities become null.
  JsonWriter& Value(double value);
  /// At most nine digits; as many as it takes where it takes seven or fewer.
  JsonWriter& Value(float value);
  /// A list of numbers, as Value() writes each.
  JsonWriter& Values(std::span<const float> numbers);
  JsonWriter& Null() { return Raw("null"); }
  /// `json` must be one JSON value already.
  JsonWriter& Raw(std::string_view json);

  template <class T>
  JsonWriter& Field(std::string_view name, T&& value) {
    return Key(name).Value(std::forward<T>(value));
  }

  const std::string& text() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  JsonWriter& Open(char bracket);
  JsonWriter& Close(char bracket);
  JsonWriter& Signed(std::int64_t value);
  JsonWriter& Unsigned(std::uint64_t value);
  void Comma() {
    if (comma_) out_.push_back(',');
    comma_ = true;
  }

  std::string out_;
  bool comma_ = false;
};

}  // namespace tessera
