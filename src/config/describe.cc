#include "config/describe.h"

#include <cstdio>
#include <string_view>

#include "base/str.h"
#include "config/units.h"

namespace tessera {
namespace {

using Kind = TypeSpec::Kind;

bool IsPlainWord(std::string_view text) {
  if (text.empty() || text.size() > 200) return false;
  if (text == "true" || text == "false" || text == "null" || text == "~") return false;
  if (text.front() == '-' || text.find_first_not_of("0123456789.+-eE") == text.npos) return false;
  for (const char c : text) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!word && c != '_' && c != '-' && c != '.' && c != '/') return false;
  }
  return true;
}

std::string ShowText(std::string_view text) {
  if (IsPlainWord(text)) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < ' ') {
      char code[8];
      std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string Plural(const TypeSpec& type) {
  switch (type.kind) {
    case Kind::kBool:
      return "true or false";
    case Kind::kInteger:
      return "whole numbers";
    case Kind::kNumber:
      return "numbers";
    case Kind::kString:
      return "texts";
    case Kind::kDuration:
      return "durations";
    case Kind::kBytes:
      return "sizes";
    case Kind::kSecret:
      return "secrets";
    case Kind::kStruct:
      return "maps of fields";
    case Kind::kList:
      return "lists of " + Plural(*type.element);
    default:
      return "values";
  }
}

std::string ShowStruct(const StructSpec& spec, const void* object) {
  std::string out;
  for (const FieldSpec& field : spec.fields) {
    const void* member = field.at(const_cast<void*>(object));  // only read
    StrAppend(&out, out.empty() ? "{" : ", ", field.name, ": ", ShowValue(*field.type, member));
  }
  return out.empty() ? "{}" : out + "}";
}

}  // namespace

std::string TypeName(const TypeSpec& type) {
  switch (type.kind) {
    case Kind::kBool:
      return "true or false";
    case Kind::kInteger:
      return "a whole number";
    case Kind::kNumber:
      return "a number";
    case Kind::kString:
      return "a text";
    case Kind::kDuration:
      return "a duration";
    case Kind::kBytes:
      return "a size";
    case Kind::kSecret:
      return "a reference to a secret";
    case Kind::kStruct:
      return "a map of fields";
    case Kind::kOptional:
      return TypeName(*type.element);
    case Kind::kList:
      return "a list of " + Plural(*type.element);
    case Kind::kMap:
      return "a map of " + Plural(*type.element);
    case Kind::kEnum:
      break;
  }
  std::string out;
  for (const auto& [word, value] : type.choices) StrAppend(&out, out.empty() ? "" : ", ", word);
  return out;
}

std::string ShowScalar(const TypeSpec& type, const Scalar& value) {
  switch (type.kind) {
    case Kind::kBool:
      return std::get<bool>(value) ? "true" : "false";
    case Kind::kInteger:
      return std::to_string(std::get<std::int64_t>(value));
    case Kind::kNumber: {
      char text[32];
      std::snprintf(text, sizeof text, "%.6g", std::get<double>(value));
      return text;
    }
    case Kind::kDuration:
      return FormatDuration(std::get<std::int64_t>(value));
    case Kind::kBytes:
      return FormatBytes(std::get<std::int64_t>(value));
    case Kind::kSecret:
      return std::get<std::string>(value).empty() ? "\"\"" : "***";
    case Kind::kEnum:
      for (const auto& [word, number] : type.choices) {
        if (number == std::get<std::int64_t>(value)) return word;
      }
      return "?";
    default:
      return ShowText(std::get<std::string>(value));
  }
}

std::string ShowValue(const TypeSpec& type, const void* object) {
  if (type.get) return ShowScalar(type, type.get(object));
  if (type.kind == Kind::kStruct) return ShowStruct(type.fields(), object);
  std::string inner;
  type.each(object, [&](const std::string& key, const void* element) {
    StrAppend(&inner, inner.empty() ? "" : ", ");
    if (type.kind == Kind::kMap) StrAppend(&inner, ShowText(key), ": ");
    StrAppend(&inner, ShowValue(*type.element, element));
  });
  if (type.kind == Kind::kOptional) return inner.empty() ? "null" : inner;
  return type.kind == Kind::kMap ? "{" + inner + "}" : "[" + inner + "]";
}

std::string DefaultOf(const FieldSpec& field, const StructSpec& spec) {
  if (field.required || field.type->kind == Kind::kStruct) return "";
  const void* member = field.at(const_cast<void*>(spec.defaults.get()));  // only read
  const std::string text = ShowValue(*field.type, member);
  return text == "null" ? "" : text;
}

std::string ExampleOf(const FieldSpec& field, const TypeSpec& type) {
  if (!field.example.empty()) return field.example;
  if (field.min && type.get && type.kind != Kind::kString && type.kind != Kind::kSecret)
    return ShowScalar(type, *field.min);
  switch (type.kind) {
    case Kind::kBool:
      return "true";
    case Kind::kInteger:
      return "64";
    case Kind::kNumber:
      return "0.5";
    case Kind::kString:
      return "name";
    case Kind::kDuration:
      return "30s";
    case Kind::kBytes:
      return "64MiB";
    case Kind::kSecret:
      return "${env:NAME}";
    case Kind::kEnum:
      return type.choices.empty() ? "" : type.choices.front().first;
    case Kind::kOptional:
      return ExampleOf(field, *type.element);
    case Kind::kList:
      return "[" + ExampleOf(FieldSpec{}, *type.element) + "]";
    case Kind::kMap:
      return "{key: " + ExampleOf(FieldSpec{}, *type.element) + "}";
    case Kind::kStruct:
      break;
  }
  const StructSpec& spec = type.fields();
  return spec.fields.empty() ? "{}" : StrCat("{", spec.fields.front().name, ": …}");
}

std::string ExampleOf(const FieldSpec& field) { return ExampleOf(field, *field.type); }

std::string LimitsOf(const FieldSpec& field) {
  if (!field.min || !field.max) return "";
  const TypeSpec& type = field.type->kind == Kind::kOptional ? *field.type->element : *field.type;
  if (type.get && type.kind != Kind::kString && type.kind != Kind::kSecret)
    return StrCat(ShowScalar(type, *field.min), " to ", ShowScalar(type, *field.max));
  const std::string_view what = type.kind == Kind::kList  ? " items"
                                : type.kind == Kind::kMap ? " entries"
                                                          : " bytes";
  return StrCat(std::get<std::int64_t>(*field.min), " to ", std::get<std::int64_t>(*field.max),
                what);
}

const StructSpec* StructOf(const TypeSpec& type) {
  if (type.kind == Kind::kStruct) return &type.fields();
  return type.element ? StructOf(*type.element) : nullptr;
}

}  // namespace tessera
