#pragma once
// Messages and JSON schemas as tables and examples of the API reference.

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
}  // namespace google::protobuf

namespace tessera {

/// One row of a table of fields.
struct FieldRow {
  std::string name;
  std::string type;  ///< Markdown
  std::string meaning;
};

/// "string", "list of [Chunk](#chunk)", "one of `a`, `b`".
std::string TypeWords(const google::protobuf::FieldDescriptor& field);
FieldRow RowOf(const google::protobuf::FieldDescriptor& field);
/// The properties of a JSON schema that is an object; empty for others.
std::vector<FieldRow> RowsOfSchema(std::string_view schema);

/// A message as JSON with values to look at, leaving out the fields named.
std::string ExampleOf(const google::protobuf::Descriptor& message,
                      const std::set<std::string>& without);

/// "Chunk"; "Filter_Group" of a nested one.
std::string ObjectName(const google::protobuf::Descriptor& message);

/// JSON text with line breaks and indentation, short lists and objects on one line.
std::string PrettyJson(std::string_view json);

}  // namespace tessera
