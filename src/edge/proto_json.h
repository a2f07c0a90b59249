#pragma once
// Messages as JSON, after the rules of the native API: original field names, enum values as short
// lower-case words ("queued"), 64-bit integers as numbers.

#include <string>

#include "base/json.h"
#include "base/json_writer.h"

namespace google::protobuf {
class Descriptor;
class EnumDescriptor;
class EnumValueDescriptor;
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace tessera {

/// Fields without presence are always written; unset optional ones, messages and empty vectors
/// (lists of floats) are left out. `bytes` are base64.
void WriteMessage(const google::protobuf::Message& message, JsonWriter& json);
std::string MessageToJson(const google::protobuf::Message& message);

/// Fills `message` from an object; what is wrong goes into `errors` with its path. Numbers may be
/// given as strings. Depth is the document's own limit.
void ReadMessage(const JsonValue& value, const std::string& path, JsonErrors& errors,
                 google::protobuf::Message* message);
/// One field from text, as a path or a query has it; appends to a repeated one. False, with an
/// error noted, when the text does not fit or the field is no scalar.
bool ReadField(std::string_view text, const google::protobuf::FieldDescriptor& field,
               JsonErrors& errors, google::protobuf::Message* message);

/// "queued" of JOB_STATE_QUEUED.
std::string ShortName(const google::protobuf::EnumValueDescriptor& value);
/// The value of that word (or of its full name); nullptr when there is none.
const google::protobuf::EnumValueDescriptor* FindValue(const google::protobuf::EnumDescriptor& type,
                                                       std::string_view name);

}  // namespace tessera
