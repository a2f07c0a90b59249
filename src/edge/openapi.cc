#include "edge/openapi.h"

#include <map>
#include <set>
#include <vector>

#include <google/protobuf/descriptor.h>

#include "base/json_writer.h"
#include "base/str.h"
#include "edge/proto_json.h"

namespace tessera {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

std::string_view ShapeName(ErrorShape shape) {
  switch (shape) {
    case ErrorShape::kProblem:
      return "Problem";
    case ErrorShape::kOpenAi:
      return "OpenAiError";
    case ErrorShape::kOpea:
      return "OpeaError";
  }
  return "";
}

void WriteRef(JsonWriter& json, std::string_view name) {
  json.BeginObject().Field("$ref", StrCat("#/components/schemas/", name)).EndObject();
}

/// Writes the document; collects the messages that it mentions.
class OpenApiWriter {
 public:
  std::string Write(const HttpRoutes& routes, std::string_view version) {
    json_.BeginObject().Field("openapi", "3.1.0").Key("info").BeginObject();
    json_.Field("title", "Tessera").Field("version", version);
    json_.Field("description", "Chat over your own documents: native, OpenAI and OPEA interfaces.");
    json_.EndObject();
    std::map<std::string, std::vector<const Route*>> by_path;
    for (const auto& route : routes.all()) by_path[PathOf(route->pattern)].push_back(route.get());
    json_.Key("paths").BeginObject();
    for (const auto& [path, entries] : by_path) {
      json_.Key(path).BeginObject();
      for (const Route* route : entries) WriteOperation(*route);
      json_.EndObject();
    }
    json_.EndObject();
    WriteComponents();
    json_.EndObject();
    return json_.Take();
  }

 private:
  // "{rest*}" is "{rest}" in OpenAPI.
  static std::string PathOf(std::string_view pattern) {
    std::string path(pattern);
    std::erase(path, '*');
    return path;
  }

  void WriteOperation(const Route& route) {
    const RouteDoc& doc = route.doc;
    json_.Key(ToLower(Name(route.method))).BeginObject();
    json_.Field("summary", doc.summary);
    json_.Field("operationId", StrCat(ToLower(Name(route.method)), "_", Identifier(route.pattern)));
    if (!doc.description.empty()) json_.Field("description", doc.description);
    if (!doc.tag.empty()) json_.Key("tags").BeginArray().Value(doc.tag).EndArray();
    WriteParameters(route);
    if (route.body != BodyKind::kNone) WriteRequestBody(doc);
    json_.Key("responses").BeginObject();
    json_.Key("200").BeginObject().Field("description", "Done.");
    if (!doc.reply_media_type.empty()) {
      json_.Key("content").BeginObject();
      WriteContent(doc.reply_media_type, doc.reply, doc.reply_schema, doc.reply_example);
      if (doc.reply_may_stream && doc.reply_media_type != "text/event-stream") {
        WriteContent("text/event-stream", nullptr, "", "");
      }
      json_.EndObject();
    }
    json_.EndObject();
    json_.Key("default").BeginObject().Field("description", "An error.").Key("content");
    json_.BeginObject();
    json_.Key(route.errors == ErrorShape::kProblem ? "application/problem+json"
                                                   : "application/json");
    json_.BeginObject().Key("schema");
    WriteRef(json_, ShapeName(route.errors));
    json_.EndObject().EndObject().EndObject().EndObject();
    if (route.open) {
      json_.Key("security").BeginArray().EndArray();
    } else {
      json_.Key("security").BeginArray().BeginObject().Key("key").BeginArray();
      json_.EndArray().EndObject().EndArray();
      json_.Field("x-scope", route.scope);
    }
    json_.EndObject();
  }

  static std::string Identifier(std::string_view pattern) {
    std::string id;
    for (const char c : pattern.substr(1)) {
      const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (word) {
        id.push_back(c);
      } else if (!id.empty() && id.back() != '_') {
        id.push_back('_');
      }
    }
    while (!id.empty() && id.back() == '_') id.pop_back();
    return id;
  }

  void WriteParameters(const Route& route) {
    std::set<std::string> in_path;
    json_.Key("parameters").BeginArray();
    std::string_view rest = route.pattern;
    while (true) {
      const std::size_t open = rest.find('{');
      if (open == std::string_view::npos) break;
      const std::size_t close = rest.find('}', open);
      std::string name(rest.substr(open + 1, close - open - 1));
      std::erase(name, '*');
      rest.remove_prefix(close + 1);
      json_.BeginObject().Field("name", name).Field("in", "path").Field("required", true);
      json_.Key("schema").BeginObject().Field("type", "string").EndObject().EndObject();
      in_path.insert(std::move(name));
    }
    const Descriptor* request = route.body == BodyKind::kNone ? route.doc.request : nullptr;
    for (int i = 0; request != nullptr && i < request->field_count(); ++i) {
      const FieldDescriptor& field = *request->field(i);
      if (in_path.contains(field.name()) || field.is_map() ||
          field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        continue;
      }
      json_.BeginObject().Field("name", field.name()).Field("in", "query").Key("schema");
      WriteField(field);
      json_.EndObject();
    }
    json_.EndArray();
  }

  void WriteRequestBody(const RouteDoc& doc) {
    json_.Key("requestBody").BeginObject().Key("content").BeginObject();
    WriteContent(doc.request_media_type, doc.request, doc.request_schema, doc.request_example);
    if (!doc.form_schema.empty()) WriteContent("multipart/form-data", nullptr, doc.form_schema, "");
    json_.EndObject().EndObject();
  }

  void WriteContent(std::string_view media_type, const Descriptor* message, std::string_view schema,
                    std::string_view example) {
    json_.Key(media_type).BeginObject();
    if (message != nullptr) {
      json_.Key("schema");
      WriteRef(json_, Mention(*message));
    } else if (!schema.empty()) {
      json_.Key("schema").Raw(schema);
    }
    if (!example.empty()) json_.Key("example").Raw(example);
    json_.EndObject();
  }

  std::string Mention(const Descriptor& message) {
    std::string name = message.name();
    if (message.containing_type() != nullptr) {
      name = StrCat(message.containing_type()->name(), "_", name);
    }
    if (mentioned_.emplace(name, &message).second) open_.push_back(&message);
    return name;
  }

  void WriteField(const FieldDescriptor& field) {
    if (field.is_map()) {
      json_.BeginObject().Field("type", "object").Key("additionalProperties");
      WriteType(*field.message_type()->map_value());
      json_.EndObject();
    } else if (field.is_repeated()) {
      json_.BeginObject().Field("type", "array").Key("items");
      WriteType(field);
      json_.EndObject();
    } else {
      WriteType(field);
    }
  }

  void WriteType(const FieldDescriptor& field) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        WriteRef(json_, Mention(*field.message_type()));
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        json_.BeginObject().Field("type", "string").Key("enum").BeginArray();
        for (int i = 0; i < field.enum_type()->value_count(); ++i) {
          json_.Value(ShortName(*field.enum_type()->value(i)));
        }
        json_.EndArray().EndObject();
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        json_.BeginObject().Field("type", "boolean").EndObject();
        return;
      case FieldDescriptor::CPPTYPE_STRING:
        json_.BeginObject().Field("type", "string").EndObject();
        return;
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        json_.BeginObject().Field("type", "number").EndObject();
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
        json_.BeginObject().Field("type", "integer").Field("minimum", 0).EndObject();
        return;
      case FieldDescriptor::CPPTYPE_INT32:
      case FieldDescriptor::CPPTYPE_INT64:
        json_.BeginObject().Field("type", "integer").EndObject();
        return;
    }
  }

  void WriteComponents() {
    json_.Key("components").BeginObject().Key("securitySchemes").BeginObject();
    json_.Key("key").BeginObject().Field("type", "http").Field("scheme", "bearer").EndObject();
    json_.EndObject().Key("schemas").BeginObject();
    json_.Key("Problem").Raw(
        R"({"type":"object","description":"RFC 9457","properties":{"type":{"type":"string"},)"
        R"("title":{"type":"string"},"status":{"type":"integer"},"detail":{"type":"string"},)"
        R"("instance":{"type":"string"},"request_id":{"type":"string"},"errors":{"type":"array",)"
        R"("items":{"type":"object","properties":{"field":{"type":"string"},)"
        R"("message":{"type":"string"}}}}}})");
    json_.Key("OpenAiError")
        .Raw(
            R"({"type":"object","properties":{"error":{"type":"object","properties":{)"
            R"("message":{"type":"string"},"type":{"type":"string"},"param":{"type":["string","null"]},)"
            R"("code":{"type":["string","null"]}}}}})");
    json_.Key("OpeaError")
        .Raw(
            R"({"type":"object","properties":{"detail":{"description":"a text, or a list of field )"
            R"(errors with status 422"}}})");
    while (!open_.empty()) {
      const Descriptor& message = *open_.back();
      open_.pop_back();
      json_.Key(Mention(message)).BeginObject().Field("type", "object");
      json_.Key("properties").BeginObject();
      for (int i = 0; i < message.field_count(); ++i) {
        json_.Key(message.field(i)->name());
        WriteField(*message.field(i));
      }
      json_.EndObject().Field("additionalProperties", false).EndObject();
    }
    json_.EndObject().EndObject();
  }

  JsonWriter json_{64 << 10};
  std::map<std::string, const Descriptor*> mentioned_;
  std::vector<const Descriptor*> open_;
};

}  // namespace

std::string OpenApiJson(const HttpRoutes& routes, std::string_view version) {
  return OpenApiWriter().Write(routes, version);
}

}  // namespace tessera
