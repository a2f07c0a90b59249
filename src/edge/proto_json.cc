#include "edge/proto_json.h"

#include <charconv>
#include <cmath>
#include <limits>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "absl/strings/escaping.h"
#include "base/str.h"

namespace tessera {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Base64(const std::string& bytes) { return absl::Base64Escape(AbslView(bytes)); }

void WriteEnum(const EnumValueDescriptor& value, JsonWriter& json) { json.Value(ShortName(value)); }

// A value of a repeated field.
void WriteElement(const Message& message, const Reflection& reflection,
                  const FieldDescriptor& field, int i, JsonWriter& json) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      json.Value(reflection.GetRepeatedInt32(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      json.Value(reflection.GetRepeatedInt64(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      json.Value(reflection.GetRepeatedUInt32(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      json.Value(reflection.GetRepeatedUInt64(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      json.Value(reflection.GetRepeatedDouble(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      json.Value(reflection.GetRepeatedFloat(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      json.Value(reflection.GetRepeatedBool(message, &field, i));
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      WriteEnum(*reflection.GetRepeatedEnum(message, &field, i), json);
      return;
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = reflection.GetRepeatedString(message, &field, i);
      json.Value(field.type() == FieldDescriptor::TYPE_BYTES ? Base64(text) : text);
      return;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      WriteMessage(reflection.GetRepeatedMessage(message, &field, i), json);
      return;
  }
}

void WriteSingle(const Message& message, const Reflection& reflection, const FieldDescriptor& field,
                 JsonWriter& json) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      json.Value(reflection.GetInt32(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      json.Value(reflection.GetInt64(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      json.Value(reflection.GetUInt32(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      json.Value(reflection.GetUInt64(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      json.Value(reflection.GetDouble(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      json.Value(reflection.GetFloat(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      json.Value(reflection.GetBool(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      WriteEnum(*reflection.GetEnum(message, &field), json);
      return;
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      const std::string& text = reflection.GetStringReference(message, &field, &scratch);
      field.type() == FieldDescriptor::TYPE_BYTES ? json.Value(Base64(text)) : json.Value(text);
      return;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      WriteMessage(reflection.GetMessage(message, &field), json);
      return;
  }
}

void WriteMap(const Message& message, const Reflection& reflection, const FieldDescriptor& field,
              JsonWriter& json) {
  const FieldDescriptor& key = *field.message_type()->map_key();
  const FieldDescriptor& value = *field.message_type()->map_value();
  json.BeginObject();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    json.Key(entry.GetReflection()->GetString(entry, &key));  // our maps have string keys
    WriteSingle(entry, *entry.GetReflection(), value, json);
  }
  json.EndObject();
}

/// Reading: the number in a JSON number or a string of one.
template <class T>
std::optional<T> Number(const JsonValue& value) {
  if (const auto text = value.AsString()) {
    T number{};
    const auto result = std::from_chars(text->data(), text->data() + text->size(), number);
    if (result.ec != std::errc() || result.ptr != text->data() + text->size()) return std::nullopt;
    return number;
  }
  if constexpr (std::is_floating_point_v<T>) {
    const auto number = value.AsDouble();
    if (!number) return std::nullopt;
    if (std::abs(*number) > static_cast<double>(std::numeric_limits<T>::max())) return std::nullopt;
    return static_cast<T>(*number);
  } else if constexpr (std::is_signed_v<T>) {
    const auto number = value.AsInt();
    if (!number || *number < std::numeric_limits<T>::min() ||
        *number > std::numeric_limits<T>::max()) {
      return std::nullopt;
    }
    return static_cast<T>(*number);
  } else {
    const auto number = value.AsUint();
    if (!number || *number > std::numeric_limits<T>::max()) return std::nullopt;
    return static_cast<T>(*number);
  }
}

std::string Wanted(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
      return "a whole number";
    case FieldDescriptor::CPPTYPE_UINT32:
      return "a whole number from 0 to 4294967295";
    case FieldDescriptor::CPPTYPE_UINT64:
      return "a whole number from 0";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "a number";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::string words = "one of";
      for (int i = 0; i < field.enum_type()->value_count(); ++i) {
        const std::string word = ShortName(*field.enum_type()->value(i));
        if (word != "unspecified") StrAppend(&words, words == "one of" ? " " : ", ", word);
      }
      return words;
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return field.type() == FieldDescriptor::TYPE_BYTES ? "a string in base64" : "a string";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "an object";
  }
  return "";
}

void Misfit(const FieldDescriptor& field, const JsonValue& value, const std::string& path,
            JsonErrors& errors) {
  std::string is(Name(value.kind()));
  if (const auto text = value.AsString()) is = StrCat("\"", text->substr(0, 80), "\"");
  errors.Add(path, StrCat("must be ", Wanted(field), ", is ", is));
}

// Sets or adds: `repeated` tells which of the two setters of a type is meant.
template <class T, class Set, class Add>
bool Store(const std::optional<T>& value, bool repeated, Set set, Add add) {
  if (!value) return false;
  repeated ? add(*value) : set(*value);
  return true;
}

bool ReadScalar(const JsonValue& value, const FieldDescriptor& field, Message* message) {
  const Reflection& r = *message->GetReflection();
  const FieldDescriptor* f = &field;
  const bool many = field.is_repeated();
#define TESSERA_STORE(value_, name)                                     \
  Store(                                                                \
      value_, many, [&](const auto& v) { r.Set##name(message, f, v); }, \
      [&](const auto& v) { r.Add##name(message, f, v); })
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return TESSERA_STORE(Number<std::int32_t>(value), Int32);
    case FieldDescriptor::CPPTYPE_INT64:
      return TESSERA_STORE(Number<std::int64_t>(value), Int64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return TESSERA_STORE(Number<std::uint32_t>(value), UInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return TESSERA_STORE(Number<std::uint64_t>(value), UInt64);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return TESSERA_STORE(Number<double>(value), Double);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return TESSERA_STORE(Number<float>(value), Float);
    case FieldDescriptor::CPPTYPE_BOOL: {
      std::optional<bool> flag = value.AsBool();
      if (value.AsString() == "true") flag = true;
      if (value.AsString() == "false") flag = false;
      return TESSERA_STORE(flag, Bool);
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto word = value.AsString();
      const EnumValueDescriptor* found = word ? FindValue(*field.enum_type(), *word) : nullptr;
      std::optional<const EnumValueDescriptor*> choice;
      if (found != nullptr) choice = found;
      return TESSERA_STORE(choice, Enum);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::optional<std::string> text;
      if (const auto view = value.AsString()) text = std::string(*view);
      if (text && field.type() == FieldDescriptor::TYPE_BYTES) {
        std::string bytes;
        if (!absl::Base64Unescape(AbslView(*text), &bytes)) return false;
        text = std::move(bytes);
      }
      return TESSERA_STORE(text, String);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return false;
  }
#undef TESSERA_STORE
  return false;
}

void ReadMap(const JsonValue& value, const FieldDescriptor& field, const std::string& path,
             JsonErrors& errors, Message* message) {
  if (!value.is_object()) {
    errors.Add(path, StrCat("must be an object, is ", Name(value.kind())));
    return;
  }
  const FieldDescriptor& map_value = *field.message_type()->map_value();
  for (const auto& [key, element] : value.Members()) {
    Message* entry = message->GetReflection()->AddMessage(message, &field);
    entry->GetReflection()->SetString(entry, field.message_type()->map_key(), std::string(key));
    const std::string at = StrCat(path, "[\"", key.substr(0, 80), "\"]");
    if (map_value.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      ReadMessage(element, at, errors, entry->GetReflection()->MutableMessage(entry, &map_value));
    } else if (!ReadScalar(element, map_value, entry)) {
      Misfit(map_value, element, at, errors);
    }
  }
}

void ReadValue(const JsonValue& value, const FieldDescriptor& field, const std::string& path,
               JsonErrors& errors, Message* message) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    const Reflection& reflection = *message->GetReflection();
    Message* inner = field.is_repeated() ? reflection.AddMessage(message, &field)
                                         : reflection.MutableMessage(message, &field);
    ReadMessage(value, path, errors, inner);
  } else if (!ReadScalar(value, field, message)) {
    Misfit(field, value, path, errors);
  }
}

}  // namespace

std::string ShortName(const EnumValueDescriptor& value) {
  // JOB_STATE_QUEUED of JobState: the prefix is the type's name in capitals.
  const std::string& type = value.type()->name();
  std::string prefix;
  for (std::size_t i = 0; i < type.size(); ++i) {
    const bool capital = type[i] >= 'A' && type[i] <= 'Z';
    if (capital && i > 0) prefix.push_back('_');
    prefix.push_back(ToLower(type[i]));
  }
  prefix.push_back('_');
  std::string name = ToLower(value.name());
  if (name.starts_with(prefix)) name.erase(0, prefix.size());
  return name;
}

const EnumValueDescriptor* FindValue(const EnumDescriptor& type, std::string_view name) {
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor* value = type.value(i);
    if (value->name() == name || EqualsIgnoreCase(ShortName(*value), name)) return value;
  }
  return nullptr;
}

void WriteMessage(const Message& message, JsonWriter& json) {
  const auto& type = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  json.BeginObject();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.is_map()) {
      json.Key(field.name());
      WriteMap(message, reflection, field, json);
    } else if (field.is_repeated()) {
      const int count = reflection.FieldSize(message, &field);
      if (count == 0 && field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) continue;
      json.Key(field.name()).BeginArray();
      for (int k = 0; k < count; ++k) WriteElement(message, reflection, field, k, json);
      json.EndArray();
    } else if (!field.has_presence() || reflection.HasField(message, &field)) {
      json.Key(field.name());
      WriteSingle(message, reflection, field, json);
    }
  }
  json.EndObject();
}

std::string MessageToJson(const Message& message) {
  JsonWriter json(1024);
  WriteMessage(message, json);
  return json.Take();
}

void ReadMessage(const JsonValue& value, const std::string& path, JsonErrors& errors,
                 Message* message) {
  JsonFields fields(value, path, errors);
  if (!value.is_object()) return;
  const auto& type = *message->GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const auto member = fields.Take(field.name());
    if (!member) continue;
    if (field.real_containing_oneof() != nullptr &&
        message->GetReflection()->HasOneof(*message, field.real_containing_oneof())) {
      fields.Error(field.name(), StrCat("cannot be given together with another of ",
                                        field.real_containing_oneof()->name()));
      continue;
    }
    if (field.is_map()) {
      ReadMap(*member, field, fields.At(field.name()), errors, message);
    } else if (!field.is_repeated()) {
      ReadValue(*member, field, fields.At(field.name()), errors, message);
    } else if (!member->is_array()) {
      fields.Error(field.name(), StrCat("must be a list, is ", Name(member->kind())));
    } else {
      std::size_t index = 0;
      for (const JsonValue& element : member->Elements()) {
        ReadValue(element, field, fields.At(field.name(), index++), errors, message);
      }
    }
  }
  fields.Finish();
}

bool ReadField(std::string_view text, const FieldDescriptor& field, JsonErrors& errors,
               Message* message) {
  std::string quoted;
  AppendJsonString(quoted, text);
  const auto document = JsonDocument::Parse(std::move(quoted));
  if (document.ok() && field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE &&
      ReadScalar(document->root(), field, message)) {
    return true;
  }
  errors.Add(field.name(),
             StrCat("must be ", Wanted(field), ", is \"", std::string(text.substr(0, 80)), "\""));
  return false;
}

}  // namespace tessera
