#pragma once
// What is known about a configuration struct at run time, with its C++ types erased: one spec
// drives reading, checking, explaining, the JSON schema and the reference page. Fields<C>
// (fields.h) fills it.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace tessera {

struct StructSpec;

/// A value on its way between YAML and a field. Integers, enums, durations (nanoseconds) and sizes
/// (bytes) travel as int64.
using Scalar = std::variant<bool, std::int64_t, double, std::string>;

/// A C++ type as configuration sees it.
struct TypeSpec {
  enum class Kind {
    kBool,
    kInteger,
    kNumber,
    kString,
    kEnum,
    kDuration,
    kBytes,
    kSecret,
    kOptional,
    kList,
    kMap,
    kStruct
  };

  Kind kind = Kind::kString;
  std::int64_t lowest = INT64_MIN;  ///< what the C++ integer type holds
  std::int64_t highest = INT64_MAX;
  std::vector<std::pair<std::string, std::int64_t>> choices;  ///< of an enum
  std::shared_ptr<const TypeSpec> element;                    ///< of an optional, list or map
  const StructSpec& (*fields)() = nullptr;  ///< of a struct; a function, so that structs may nest

  /// Scalars: write to and read from the object at the pointer.
  std::function<void(void*, const Scalar&)> set;
  std::function<Scalar(const void*)> get;
  /// Optional, list, map: removal of all, a new element (of that key), and a visit of all.
  std::function<void(void*)> clear;
  std::function<void*(void*, const std::string&)> add;
  std::function<void(const void*, const std::function<void(const std::string&, const void*)>&)>
      each;
};

/// One field of a struct.
struct FieldSpec {
  std::string name;
  std::string doc;
  bool required = false;
  bool live = false;  ///< a change takes effect without a restart
  std::string example;
  std::shared_ptr<const TypeSpec> type;
  /// Inclusive limits: of the value, or of the length for strings, lists and maps.
  std::optional<Scalar> min;
  std::optional<Scalar> max;
  std::function<void*(void*)> at;  ///< address of the member in the struct at the pointer

  FieldSpec& Live() {
    live = true;
    return *this;
  }
  FieldSpec& Example(std::string text) {
    example = std::move(text);
    return *this;
  }
};

/// A rule over several fields: OK, or a message that starts with the field's name.
using StructCheck = std::function<Status(const void*)>;

struct StructSpec {
  std::vector<FieldSpec> fields;
  std::vector<StructCheck> checks;
  std::shared_ptr<const void> defaults;  ///< a default-constructed object
  std::function<std::shared_ptr<void>()> make;
};

}  // namespace tessera
