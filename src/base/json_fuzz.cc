// The fast parser and the one that tells places must agree; what is written is read back.
#include <cstdint>
#include <string>

#include "base/json.h"
#include "base/json_locate.h"
#include "base/json_rows.h"
#include "base/json_writer.h"

namespace {

void Write(const tessera::JsonValue& value, tessera::JsonWriter& json) {
  using Kind = tessera::JsonValue::Kind;
  switch (value.kind()) {
    case Kind::kNull:
      json.Null();
      break;
    case Kind::kBool:
      json.Value(*value.AsBool());
      break;
    case Kind::kNumber:
      if (const auto whole = value.AsInt()) {
        json.Value(*whole);
      } else if (const auto big = value.AsUint()) {
        json.Value(*big);
      } else {
        json.Value(*value.AsDouble());
      }
      break;
    case Kind::kString:
      json.Value(*value.AsString());
      break;
    case Kind::kArray:
      json.BeginArray();
      for (const auto& element : value.Elements()) Write(element, json);
      json.EndArray();
      break;
    case Kind::kObject:
      json.BeginObject();
      for (const auto& [name, member] : value.Members()) {
        json.Key(name);
        Write(member, json);
      }
      json.EndObject();
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto rows = ParseJsonRows(text);
  CHECK(rows.ok() || absl::IsInvalidArgument(rows.status()));
  const auto document = JsonDocument::Parse(text);
  if (!document.ok()) {
    CHECK(!document.status().message().empty());
  } else {
    CHECK(!FindJsonFault(text).found);
    JsonWriter first;
    Write(document->root(), first);
    const auto again = JsonDocument::Parse(first.text());
    CHECK(again.ok());
    JsonWriter second;
    Write(again->root(), second);
    CHECK(first.text() == second.text());
    JsonErrors errors;
    JsonFields fields(document->root(), "", errors);
    std::string name;
    std::int64_t limit = 0;
    fields.String("name", &name, 100);
    fields.Int("limit", &limit, 0, 10);
    fields.Finish();
    CHECK(limit >= 0 && limit <= 10 && name.size() <= 100);
  }
  // Any bytes can be written as a string.
  JsonWriter any;
  any.Value(std::string_view(text));
  CHECK(JsonDocument::Parse(any.Take()).ok());
  return 0;
}
