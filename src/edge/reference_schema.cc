#include "edge/reference_schema.h"

#include <map>
#include <span>
#include <utility>

#include <google/protobuf/descriptor.h>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "edge/proto_json.h"
#include "tessera/v1/dataprep_doc.tessera.h"
#include "tessera/v1/flags_doc.tessera.h"
#include "tessera/v1/inference_doc.tessera.h"
#include "tessera/v1/orchestration_doc.tessera.h"
#include "tessera/v1/retrieval_doc.tessera.h"

namespace tessera {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr std::size_t kLineMax = 92;
constexpr int kExampleDepthMax = 4;

std::string_view DocOf(const FieldDescriptor& field) {
  for (const std::span<const FieldDoc> docs :
       {std::span<const FieldDoc>(kRetrievalFields), std::span<const FieldDoc>(kDataprepFields),
        std::span<const FieldDoc>(kInferenceFields),
        std::span<const FieldDoc>(kOrchestrationFields), std::span<const FieldDoc>(kFlagsFields)}) {
    for (const FieldDoc& doc : docs) {
      if (doc.name == field.full_name()) return doc.doc;
    }
  }
  return "";
}

std::string Link(const Descriptor& message) {
  const std::string name = ObjectName(message);
  return StrCat("[", name, "](#", ToLower(name), ")");
}

std::string OneWords(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Link(*field.message_type());
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::string words = "one of";
      for (int i = 1; i < field.enum_type()->value_count(); ++i) {
        StrAppend(&words, i > 1 ? ", `" : " `", ShortName(*field.enum_type()->value(i)), "`");
      }
      return words;
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return "boolean";
    case FieldDescriptor::CPPTYPE_STRING:
      return "string";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "number";
    default:
      return "integer";
  }
}

// Values that a reader recognises.
std::string_view SampleText(const FieldDescriptor& field) {
  static const std::map<std::string_view, std::string_view> exact = {
      {"Collection.name", "default"},
      {"Collection.id", "vs_…"},
      {"CreateCollectionRequest.name", "default"},
      {"Document.id", "file-…"},
      {"Job.id", "job_…"},
      {"Graph.name", "chatqna"}};
  const std::string_view name = field.name();
  const auto known = exact.find(StrCat(field.containing_type()->name(), ".", name));
  if (known != exact.end()) return known->second;
  static const std::map<std::string_view, std::string_view> samples = {
      {"collection", "default"},
      {"name", "handbook.pdf"},
      {"title", "Handbook"},
      {"query", "notice period"},
      {"model", "minilm"},
      {"text", "The notice period is six weeks."},
      {"id", "…"},
      {"document_id", "file-…"},
      {"media_type", "application/pdf"},
      {"heading", "Lease > Notice"},
      {"digest", "sha256:…"},
      {"sha256", "9f86…"},
      {"original", "originals/9f/86…"},
      {"folder", "/var/backups/tessera"},
      {"embedder", "minilm"},
      {"key", "name"},
      {"op", "eq"},
      {"error_code", ""},
      {"error", ""},
      {"page_token", ""},
      {"next_page_token", ""},
      {"yaml", "name: chatqna …"},
      {"description", "Answers from documents, with citations."}};
  const auto found = samples.find(name);
  return found == samples.end() ? "…" : found->second;
}

std::int64_t SampleNumber(std::string_view name) {
  static const std::map<std::string_view, std::int64_t> samples = {
      {"dimension", 384}, {"failed", 0},    {"bytes", 48'120},    {"bytes_total", 48'120},
      {"start", 310},     {"end", 343},     {"page", 2},          {"sources", 1},
      {"succeeded", 1},   {"chunks", 12},   {"chunks_total", 12}, {"bytes_done", 48'120},
      {"limit", 5},       {"documents", 1}, {"total", 12},        {"ordinal", 4}};
  const auto found = samples.find(name);
  if (found != samples.end()) return found->second;
  return name.ends_with("_ms") ? 1'790'000'000'000 : 3;
}

void WriteSample(const Descriptor& message, const std::set<std::string>& without, int depth,
                 JsonWriter& json);

void WriteSampleValue(const FieldDescriptor& field, int depth, JsonWriter& json) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      WriteSample(*field.message_type(), {}, depth + 1, json);
      return;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int last = field.enum_type()->value_count() > 3 ? 3 : 1;
      json.Value(ShortName(*field.enum_type()->value(last)));
      return;
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      json.Value(false);
      return;
    case FieldDescriptor::CPPTYPE_STRING:
      json.Value(SampleText(field));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      json.Value(0.5);
      return;
    default:
      json.Value(SampleNumber(field.name()));
  }
}

void WriteSample(const Descriptor& message, const std::set<std::string>& without, int depth,
                 JsonWriter& json) {
  json.BeginObject();
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const bool object = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (without.contains(field.name()) || (object && depth >= kExampleDepthMax)) continue;
    if (object && !field.is_map() && field.message_type()->full_name() == "tessera.v1.Filter") {
      continue;  // it holds itself; the table leads to it
    }
    json.Key(field.name());
    if (field.is_map()) {
      json.BeginObject().Field("author", "…").EndObject();
    } else if (field.is_repeated()) {
      json.BeginArray();
      WriteSampleValue(field, depth, json);
      json.EndArray();
    } else {
      WriteSampleValue(field, depth, json);
    }
  }
  json.EndObject();
}

void Indent(const JsonValue& value, std::size_t depth, std::string& out) {
  const std::string flat = value.ToJson();
  const bool nested = value.is_array() || value.is_object();
  if (!nested || flat.size() + depth * 2 <= kLineMax) {
    out += flat;
    return;
  }
  const std::string margin(depth * 2 + 2, ' ');
  out += value.is_array() ? "[" : "{";
  bool first = true;
  const auto open = [&] { StrAppend(&out, std::exchange(first, false) ? "\n" : ",\n", margin); };
  for (const JsonValue& element : value.Elements()) {
    open();
    Indent(element, depth + 1, out);
  }
  for (const auto& [name, member] : value.Members()) {
    open();
    AppendJsonString(out, name);
    out += ": ";
    Indent(member, depth + 1, out);
  }
  StrAppend(&out, "\n", std::string(depth * 2, ' '), value.is_array() ? "]" : "}");
}

std::string SchemaType(const JsonValue& property) {
  if (const auto words = property.Find("enum")) {
    std::string text = "one of";
    for (const JsonValue& word : words->Elements())
      StrAppend(&text, text == "one of" ? " `" : ", `", word.AsString().value_or(""), "`");
    return text;
  }
  const auto type = property.Find("type");
  if (!type) return "any";
  if (const auto one = type->AsString()) {
    const auto format = property.Find("format");
    if (*one == "array") {
      const auto items = property.Find("items");
      const std::string of = items ? SchemaType(*items) : "any";
      return of == "any" ? "list" : StrCat("list of ", of);
    }
    return format && format->AsString() == "binary" ? "file" : std::string(*one);
  }
  std::string text;
  for (const JsonValue& word : type->Elements())
    StrAppend(&text, text.empty() ? "" : " or ",
              word.AsString() == "array" ? "list" : word.AsString().value_or(""));
  return text;
}

}  // namespace

std::string ObjectName(const Descriptor& message) {
  return message.containing_type() == nullptr
             ? message.name()
             : StrCat(message.containing_type()->name(), "_", message.name());
}

std::string TypeWords(const FieldDescriptor& field) {
  if (field.is_map()) return "object of strings";
  return field.is_repeated() ? StrCat("list of ", OneWords(field)) : OneWords(field);
}

FieldRow RowOf(const FieldDescriptor& field) {
  return {field.name(), TypeWords(field), std::string(DocOf(field))};
}

std::vector<FieldRow> RowsOfSchema(std::string_view schema) {
  const Result<JsonDocument> document = JsonDocument::Parse(std::string(schema));
  if (!document.ok()) return {};
  const auto properties = document->root().Find("properties");
  if (!properties) return {};
  std::set<std::string_view> required;
  if (const auto names = document->root().Find("required")) {
    for (const JsonValue& name : names->Elements()) required.insert(name.AsString().value_or(""));
  }
  std::vector<FieldRow> rows;
  for (const auto& [name, property] : properties->Members()) {
    std::string meaning(required.contains(name) ? "Needed." : "");
    if (const auto text = property.Find("description"))
      StrAppend(&meaning, meaning.empty() ? "" : " ", text->AsString().value_or(""));
    if (const auto value = property.Find("default"))
      StrAppend(&meaning, meaning.empty() ? "" : "; ", "default `", value->ToJson(), "`");
    rows.push_back({std::string(name), SchemaType(property), std::move(meaning)});
  }
  return rows;
}

std::string ExampleOf(const Descriptor& message, const std::set<std::string>& without) {
  JsonWriter json;
  WriteSample(message, without, 0, json);
  return json.Take();
}

std::string PrettyJson(std::string_view json) {
  const Result<JsonDocument> document = JsonDocument::Parse(std::string(json));
  if (!document.ok()) return std::string(json);
  std::string out;
  Indent(document->root(), 0, out);
  return out;
}

}  // namespace tessera
