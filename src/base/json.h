#pragma once
// Reading JSON (simdjson behind it), with errors that say what is wrong and where.

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/field_error.h"
#include "base/status.h"

namespace tessera {

/// A value inside a JsonDocument; a cheap view that must not outlive it.
class JsonValue {
 public:
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  using Member = std::pair<std::string_view, JsonValue>;

  JsonValue() = default;
  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }
  /// Nothing when the value is of another kind; AsInt and AsUint take whole numbers in range only.
  std::optional<std::string_view> AsString() const;
  std::optional<bool> AsBool() const;
  std::optional<std::int64_t> AsInt() const;
  std::optional<std::uint64_t> AsUint() const;
  std::optional<double> AsDouble() const;
  /// Elements of an array; empty for other kinds.
  std::vector<JsonValue> Elements() const;
  /// Members of an object in their order; empty for other kinds.
  std::vector<Member> Members() const;
  /// The first member of that name.
  std::optional<JsonValue> Find(std::string_view name) const;
  /// The value as JSON text again (minified).
  std::string ToJson() const;

 private:
  friend class JsonDocument;
  JsonValue(const void* document, std::size_t index) : document_(document), index_(index) {}
  const void* document_ = nullptr;  // simdjson::dom::document and the index on its tape
  std::size_t index_ = 0;
};

/// "an object", "a string" …, for messages.
std::string_view Name(JsonValue::Kind kind);

/// A parsed text; owns what its values point to. Move only. Not thread-safe.
class JsonDocument {
 public:
  /// INVALID_ARGUMENT with line and column when `text` is not JSON (RFC 8259, UTF-8, at most 64
  /// levels deep).
  static Result<JsonDocument> Parse(std::string text);
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();
  JsonValue root() const;

 private:
  struct Parser;
  explicit JsonDocument(std::unique_ptr<Parser> parser);
  std::unique_ptr<Parser> parser_;
};

/// What was found wrong while a document is read; at most 16 are kept.
class JsonErrors {
 public:
  void Add(std::string field, std::string message);
  bool ok() const { return errors_.empty(); }
  /// OK, or INVALID_ARGUMENT with the fields (FieldsOf).
  Status status() const;

 private:
  std::vector<FieldError> errors_;
};

/// Reads the members of an object: each is asked for by name, a wrong type or range is noted in the
/// errors, and Finish() notes names nobody asked for. null counts as absent.
class JsonFields {
 public:
  /// `path` leads to the object ("messages[0]"; "" is the root) and stands before names in errors.
  JsonFields(JsonValue object, std::string path, JsonErrors& errors);

  /// The member, or nothing when it is absent or null.
  std::optional<JsonValue> Take(std::string_view name);
  /// True when the member was there and right; `out` is untouched otherwise.
  bool String(std::string_view name, std::string* out,
              std::size_t size_max = std::numeric_limits<std::size_t>::max());
  bool Bool(std::string_view name, bool* out);
  bool Int(std::string_view name, std::int64_t* out,
           std::int64_t min = std::numeric_limits<std::int64_t>::min(),
           std::int64_t max = std::numeric_limits<std::int64_t>::max());
  bool Double(std::string_view name, double* out,
              double min = std::numeric_limits<double>::lowest(),
              double max = std::numeric_limits<double>::max());
  bool OneOf(std::string_view name, std::string* out,
             std::initializer_list<std::string_view> allowed);
  /// A list of strings; a single string counts as a list of one when `or_one`.
  bool Strings(std::string_view name, std::vector<std::string>* out, bool or_one = false);
  /// Elements of a list, each to be read by the caller; `path` of element i is At(name, i).
  std::optional<std::vector<JsonValue>> Array(std::string_view name);
  /// A member that must be an object; read it with JsonFields(value, At(name), errors).
  std::optional<JsonValue> Object(std::string_view name);
  /// Notes an error when the member is absent or null. Counts as asking for it.
  bool Require(std::string_view name);
  /// Accepts these names without reading them.
  void Ignore(std::initializer_list<std::string_view> names);
  /// Notes every member that was not asked for, with the nearest known name, and every repeated
  /// one.
  void Finish();

  std::string At(std::string_view name) const;
  std::string At(std::string_view name, std::size_t index) const;
  void Error(std::string_view name, std::string message);

 private:
  void WrongKind(std::string_view name, std::string_view wanted, JsonValue value);

  std::vector<JsonValue::Member> members_;
  std::vector<std::string_view> known_;
  std::string path_;
  JsonErrors& errors_;
};

/// The known name nearest to `name` by edit distance, or "" when none is near.
std::string_view NearestName(std::string_view name, const std::vector<std::string_view>& known);

}  // namespace tessera
