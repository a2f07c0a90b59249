#pragma once
// Fields, types and values in words, as messages and the reference page show them.

#include <string>

#include "config/spec.h"

namespace tessera {

/// "a whole number", "a duration", "one of auto, fast", "a list of texts" …
std::string TypeName(const TypeSpec& type);

/// A scalar of that type as it stands in YAML: 30s, 64MiB, "two words".
std::string ShowScalar(const TypeSpec& type, const Scalar& value);

/// The value at `object` on one line of YAML; secrets as ***.
std::string ShowValue(const TypeSpec& type, const void* object);

/// The default of a field of `spec`; "" when it must be given or has none.
std::string DefaultOf(const FieldSpec& field, const StructSpec& spec);

/// Something that may be written for the field: its own example, or one of its type.
std::string ExampleOf(const FieldSpec& field);
std::string ExampleOf(const FieldSpec& field, const TypeSpec& type);

/// "1 to 4096", "at most 30 items", "" without limits.
std::string LimitsOf(const FieldSpec& field);

/// The struct that a field holds, directly or as element of an optional, list or map; else nullptr.
const StructSpec* StructOf(const TypeSpec& type);

}  // namespace tessera
