// What ConfigSchema tells people and editors: explain, the reference page, the JSON schema.
#include <algorithm>
#include <functional>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/str.h"
#include "config/describe.h"
#include "config/schema.h"
#include "config/suggest.h"

namespace tessera {
namespace {

using Kind = TypeSpec::Kind;

constexpr int kNestedMax = 6;  // structs may contain themselves

// Calls `visit` for every field below `spec`, with its path.
void Walk(
    const StructSpec& spec, const std::string& path, int depth,
    const std::function<void(const std::string&, const FieldSpec&, const StructSpec&)>& visit) {
  for (const FieldSpec& field : spec.fields) {
    std::string below = StrCat(path, path.empty() ? "" : ".", field.name);
    visit(below, field, spec);
    const StructSpec* nested = StructOf(*field.type);
    if (nested == nullptr || nested == &spec || depth >= kNestedMax) continue;
    if (field.type->kind == Kind::kList) below += "[]";
    if (field.type->kind == Kind::kMap) below += ".<key>";
    Walk(*nested, below, depth + 1, visit);
  }
}

std::string ExplainField(const std::string& path, const FieldSpec& field, const StructSpec& spec) {
  std::string out = StrCat(path, ": ", TypeName(*field.type), "\n  ", field.doc, "\n");
  if (field.required) StrAppend(&out, "  must be given\n");
  const std::string value = DefaultOf(field, spec);
  if (!value.empty()) StrAppend(&out, "  default: ", value, "\n");
  const std::string limits = LimitsOf(field);
  if (!limits.empty()) StrAppend(&out, "  limits: ", limits, "\n");
  if (StructOf(*field.type) == nullptr)
    StrAppend(&out, "  example: ", field.name, ": ", ExampleOf(field), "\n");
  StrAppend(&out, field.live ? "  takes effect without a restart\n" : "");
  return out;
}

std::string Cell(const std::string& text) { return absl::StrReplaceAll(text, {{"|", "\\|"}}); }

std::string Code(const std::string& text) {
  return text.empty() ? "" : StrCat("`", Cell(text), "`");
}

std::string Json(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) >= ' ') {
      out += c;
    }
  }
  return out + "\"";
}

std::string SchemaOf(const StructSpec& spec, int depth);

std::string SchemaOf(const TypeSpec& type, int depth) {
  switch (type.kind) {
    case Kind::kBool:
      return "\"type\": \"boolean\"";
    case Kind::kInteger:
      return "\"type\": \"integer\"";
    case Kind::kNumber:
      return "\"type\": \"number\"";
    case Kind::kString:
      return "\"type\": [\"string\", \"number\", \"boolean\"]";  // YAML: an unquoted 12 is a text
                                                                 // here
    case Kind::kDuration:
      return "\"type\": [\"string\", \"integer\"], \"pattern\": "
             "\"^([0-9.]+(d|h|m|s|ms|us|ns))+$|^0$\"";
    case Kind::kBytes:
      return "\"type\": [\"string\", \"integer\"], \"pattern\": \"^[0-9.]+ "
             "?([KMGT]iB|[kKMGT]?B)?$\"";
    case Kind::kSecret:
      return R"("type": "string", "pattern": "^\\$\\{(file|env):.+\\}$")";
    case Kind::kEnum: {
      std::string words;
      for (const auto& [word, value] : type.choices)
        StrAppend(&words, words.empty() ? "" : ", ", Json(word));
      return StrCat("\"enum\": [", words, "]");
    }
    case Kind::kOptional:
      return SchemaOf(*type.element, depth);
    case Kind::kList:
      return StrCat("\"type\": \"array\", \"items\": {", SchemaOf(*type.element, depth), "}");
    case Kind::kMap:
      return StrCat("\"type\": \"object\", \"additionalProperties\": {",
                    SchemaOf(*type.element, depth), "}");
    case Kind::kStruct:
      break;
  }
  return depth > kNestedMax ? "\"type\": \"object\"" : SchemaOf(type.fields(), depth + 1);
}

std::string SchemaOf(const StructSpec& spec, int depth) {
  std::string properties, required;
  for (const FieldSpec& field : spec.fields) {
    StrAppend(&properties, properties.empty() ? "" : ", ", Json(field.name), ": {",
              SchemaOf(*field.type, depth), ", \"description\": ", Json(field.doc));
    if (field.type->kind == Kind::kInteger && field.min && field.max)
      StrAppend(&properties, ", \"minimum\": ", ShowScalar(*field.type, *field.min),
                ", \"maximum\": ", ShowScalar(*field.type, *field.max));
    const std::string value = DefaultOf(field, spec);
    if (!value.empty()) StrAppend(&properties, ", \"x-default\": ", Json(value));
    StrAppend(&properties, "}");
    if (field.required) StrAppend(&required, required.empty() ? "" : ", ", Json(field.name));
  }
  return StrCat("\"type\": [\"object\", \"null\"], \"additionalProperties\": false, ",
                "\"properties\": {", properties, "}",
                required.empty() ? "" : StrCat(", \"required\": [", required, "]"));
}

}  // namespace

std::vector<std::string> ConfigSchema::Paths() const {
  std::vector<std::string> paths;
  for (const Section& section : sections_) {
    paths.push_back(section.path);
    Walk(*section.spec, section.path, 0,
         [&](const std::string& path, const FieldSpec&, const StructSpec&) {
           paths.push_back(path);
         });
  }
  return paths;
}

Result<std::string> ConfigSchema::Explain(std::string_view path) const {
  std::string out;
  for (const Section& section : sections_) {
    if (path.empty()) StrAppend(&out, section.path, "\n  ", section.doc, "\n");
    const bool whole = section.path == path || section.path.starts_with(StrCat(path, "."));
    if (whole && !path.empty()) StrAppend(&out, section.path, "\n  ", section.doc, "\n\n");
    Walk(*section.spec, section.path, 0,
         [&](const std::string& below, const FieldSpec& field, const StructSpec& spec) {
           const bool wanted =
               !path.empty() && (whole || below == path || below.starts_with(StrCat(path, ".")) ||
                                 below.starts_with(StrCat(path, "[]")));
           if (wanted) StrAppend(&out, ExplainField(below, field, spec), "\n");
         });
  }
  if (!out.empty()) return out;
  const std::string near = NearestWord(path, Paths());
  return absl::NotFoundError(StrCat("no section or field \"", path, "\"",
                                    near.empty() ? "; \"config explain\" alone lists the sections"
                                                 : StrCat("; did you mean \"", near, "\"?")));
}

std::string ConfigSchema::ReferencePage() const {
  std::string out =
      "# Configuration\n\n"
      "Made by `tessera config reference`; do not edit. A file is given with `--config FILE`; an "
      "empty "
      "one, or none,\nmeans the defaults below. Check one with `tessera config check FILE`; every "
      "mistake is reported with its line and\ncolumn. Durations are written `250ms`, `30s`, "
      "`1h30m`; sizes `64KiB`, `2GiB`. Secrets come by reference only:\n`${file:/path}` or "
      "`${env:NAME}`. Limits are inclusive.\n";
  for (const Section& section : sections_) {
    StrAppend(&out, "\n## `", section.path, "`\n\n", section.doc, "\n");
    if (section.spec->fields.empty()) continue;
    StrAppend(&out, "\n| field | type | default | limits | meaning |\n|---|---|---|---|---|\n");
    Walk(*section.spec, "", 0,
         [&](const std::string& path, const FieldSpec& field, const StructSpec& spec) {
           const std::string value = DefaultOf(field, spec);
           StrAppend(&out, "| `", path, "` | ", Cell(TypeName(*field.type)), " | ",
                     field.required ? "*required*" : Code(value), " | ", Cell(LimitsOf(field)),
                     " | ", Cell(field.doc), field.live ? " *Live.*" : "", " |\n");
         });
  }
  return out;
}

std::string ConfigSchema::JsonSchema() const {
  // Sections are sorted by path, so groups ("services.") open and close in order.
  std::function<std::string(std::size_t, std::size_t, std::size_t)> group =
      [&](std::size_t begin, std::size_t end, std::size_t depth) {
        std::string properties;
        while (begin < end) {
          const std::vector<std::string> parts = absl::StrSplit(sections_[begin].path, '.');
          std::size_t stop = begin + 1;
          std::string inner;
          if (parts.size() == depth + 1) {
            inner = StrCat(SchemaOf(*sections_[begin].spec, 0),
                           ", \"description\": ", Json(sections_[begin].doc));
          } else {
            while (stop < end) {
              const std::vector<std::string> next = absl::StrSplit(sections_[stop].path, '.');
              if (next.size() <= depth + 1 || next[depth] != parts[depth]) break;
              ++stop;
            }
            inner = group(begin, stop, depth + 1);
          }
          StrAppend(&properties, properties.empty() ? "" : ",\n", Json(parts[depth]), ": {", inner,
                    "}");
          begin = stop;
        }
        return StrCat("\"type\": [\"object\", \"null\"], \"additionalProperties\": false, ",
                      "\"properties\": {", properties, "}");
      };
  return StrCat("{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", ",
                "\"title\": \"Tessera configuration\",\n", group(0, sections_.size(), 0), "}\n");
}

}  // namespace tessera
