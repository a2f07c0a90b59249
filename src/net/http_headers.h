#pragma once
// Header fields of an HTTP message, kept as the bytes that go on the wire.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// Fields in the order they were added; names compare without case. Views stay valid until the next
/// Add, Set or Remove. Not thread-safe.
class HttpHeaders {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  /// The first value of `name`, or "" when there is none.
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const;
  std::size_t Count(std::string_view name) const;
  std::size_t size() const { return fields_.size(); }
  Field operator[](std::size_t index) const;

  /// Appends a field. Control characters in it (CR, LF, NUL …) become spaces, so no value can split
  /// the message.
  void Add(std::string_view name, std::string_view value);
  /// Replaces every field of that name by one.
  void Set(std::string_view name, std::string_view value);
  void Remove(std::string_view name);

  /// All fields as "name: value\r\n" lines, ready to be sent.
  std::string_view wire() const { return bytes_; }

 private:
  struct Entry {
    std::uint32_t name_at;
    std::uint32_t name_size;
    std::uint32_t value_at;
    std::uint32_t value_size;
  };
  std::string bytes_;
  std::vector<Entry> fields_;  // not inlined: requests and replies are moved often
};

}  // namespace tessera
