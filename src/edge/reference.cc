#include "edge/reference.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <vector>

#include <google/protobuf/descriptor.h>

#include "base/str.h"
#include "edge/reference_schema.h"

namespace tessera {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr char kHead[] =
    R"(<!-- Made by `tessera api reference` from the contracts and the routes. Do not edit. -->
# API reference

Three interfaces on one port: the [native](#native) one under `/api/v1`, [OpenAI's](#openai) and
[OPEA's](#opea) under `/v1`. A running server describes the same for programs at `/openapi.json`.

**Keys.** Every route but those marked *open* needs `Authorization: Bearer KEY`; the owner's key is in
`DATA/owner.key`, others stand in `server.api_keys` ([configuration](configuration.md)) with the permissions they
have. With `--no-auth` (loopback only) none is asked for, and `Bearer None`, which OPEA's clients send, counts as none.

**Bodies** are JSON unless said otherwise. A field that nobody knows is refused, with the name that was perhaps meant;
`null` counts as absent. Replies are compressed as `Accept-Encoding` allows. Every reply has an `x-request-id`, by
which the log knows it.

**Streams** are server-sent events. A stream that breaks says so in an event before it ends; there is no silent end.

**Errors** come in the words of the interface:

| interface | reply |
|---|---|
| native | `application/problem+json` (RFC 9457): `{"type", "title", "status", "detail", "instance", "request_id", "errors": [{"field", "message"}]}` |
| OpenAI | `{"error": {"message", "type", "param", "code"}}` |
| OPEA | `{"detail": "…"}`, or with status 422 `{"detail": [{"type", "loc", "msg"}]}` |

| status | when |
|---|---|
| 400, 422 | the request says something wrong: which field, and what would be right |
| 401, 403 | no key or a wrong one; the key lacks the permission |
| 404 | no such collection, document, job, model |
| 409 | the state forbids it: it exists already, the collection has another embedder |
| 413, 415 | the body is too large; it has another media type than the route takes |
| 429, 503 | too much at once; `Retry-After` says when to come again |
| 507 | the disk is full; nothing was half-written |

)";

struct Group {
  std::string_view title;
  std::string_view intro;
  std::vector<std::string_view> tags;
};

const std::vector<Group>& Groups() {
  static const std::vector<Group> groups = {
      {"Native",
       "Made from the contracts in [proto/tessera/v1](../proto/tessera/v1); the page and the "
       "command line use it.",
       {"retrieval", "orchestration", "dataprep", "inference"}},
      {"OpenAI",
       "What the official clients call, with `base_url` `http://HOST:PORT/v1`. The model `rag` "
       "answers from the collection `default`, `rag:COLLECTION` from another, "
       "`rag:COLLECTION:MODEL` with a model of your choice; `GET /v1/models` lists what there is.",
       {"openai"}},
      {"OPEA",
       "The megaservices and the microservices around retrieval of OPEA 1.5, as its clients call "
       "them: streams of `data: b'…'` lines (Python's repr of the bytes) that end with "
       "`data: [DONE]`.",
       {"opea"}},
      {"Feature flags",
       "What is switched on for whom ([flags](flags.md)): changed by administrators, read by "
       "OpenFeature's SDKs through OFREP.",
       {"flags", "ofrep"}},
      {"Operation",
       "What runs where, and what happens in it: processes and moves ([topology](topology.md)), "
       "traces, figures and objectives ([observability](observability.md)), the log "
       "([logs](logs.md)), profiles, recorded requests, and the query APIs of "
       "Jaeger over the traces and of Prometheus over the figures.",
       {"topology", "traces", "monitoring", "logs", "jaeger", "profiles", "recordings",
        "prometheus"}},
      {"Server", "Health, figures, sessions.", {"system", ""}},
  };
  return groups;
}

std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

/// Writes the page; collects the messages that it mentions.
class ReferenceWriter {
 public:
  std::string Write(const HttpRoutes& routes) {
    std::map<std::string_view, std::vector<const Route*>> by_tag;
    for (const auto& route : routes.all()) by_tag[route->doc.tag].push_back(route.get());
    out_ = kHead;
    for (const Group& group : Groups()) {
      StrAppend(&out_, "## ", group.title, "\n\n", group.intro, "\n\n");
      for (const std::string_view tag : group.tags) {
        std::vector<const Route*>& entries = by_tag[tag];
        std::stable_sort(entries.begin(), entries.end(),
                         [](const Route* a, const Route* b) { return a->pattern < b->pattern; });
        for (const Route* route : entries) WriteRoute(*route);
      }
    }
    WriteObjects();
    return std::move(out_);
  }

 private:
  static std::string Sentence(std::string text) {
    if (!text.empty())
      text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    if (!text.empty() && text.back() != '.') text += '.';
    return text;
  }

  void WriteRoute(const Route& route) {
    const RouteDoc& doc = route.doc;
    StrAppend(&out_, "### ", Name(route.method), " ", route.pattern, "\n\n", Sentence(doc.summary));
    if (!doc.description.empty()) StrAppend(&out_, " ", doc.description);
    StrAppend(&out_, route.open ? " *Open.*" : StrCat(" Permission `", route.scope, "`."), "\n\n");
    WriteFields(route);
    WriteRequest(route);
    WriteReply(route);
  }

  std::set<std::string> InPath(const Route& route) {
    std::set<std::string> names;
    std::string_view rest = route.pattern;
    for (std::size_t open = rest.find('{'); open != rest.npos; open = rest.find('{')) {
      const std::size_t close = rest.find('}', open);
      std::string name(rest.substr(open + 1, close - open - 1));
      std::erase(name, '*');
      names.insert(std::move(name));
      rest.remove_prefix(close + 1);
    }
    return names;
  }

  void WriteRow(std::string_view place, const FieldRow& row) {
    StrAppend(&out_, "| `", row.name, "` | ", place, " | ", Cell(row.type), " | ",
              Cell(row.meaning), " |\n");
  }

  void WriteFields(const Route& route) {
    const std::set<std::string> in_path = InPath(route);
    const Descriptor* request = route.doc.request;
    const bool body = route.body != BodyKind::kNone;
    const std::vector<FieldRow> schema = RowsOfSchema(route.doc.request_schema);
    const std::vector<FieldRow> form = RowsOfSchema(route.doc.form_schema);
    if (in_path.empty() && schema.empty() && (request == nullptr || request->field_count() == 0)) {
      return;
    }
    out_ += "| field | in | type | meaning |\n|---|---|---|---|\n";
    std::set<std::string> written;
    for (int i = 0; request != nullptr && i < request->field_count(); ++i) {
      const FieldDescriptor& field = *request->field(i);
      const bool of_path = in_path.contains(field.name());
      Mention(field);
      WriteRow(of_path ? "path" : body ? "body" : "query", RowOf(field));
      written.insert(field.name());
    }
    for (const std::string& name : in_path) {
      if (!written.contains(name)) WriteRow("path", {name, "string", ""});
    }
    const bool multipart = route.doc.request_media_type == "multipart/form-data";
    for (const FieldRow& row : schema) WriteRow(multipart ? "form" : "body", row);
    for (const FieldRow& row : form) WriteRow("form", row);
    out_ += "\n";
  }

  void Code(std::string_view title, std::string_view json) {
    StrAppend(&out_, title, "\n\n```json\n", PrettyJson(json), "\n```\n\n");
  }

  void WriteRequest(const Route& route) {
    const RouteDoc& doc = route.doc;
    if (!doc.form_schema.empty()) {
      out_ +=
          "Instead of JSON the body may be a form: `multipart/form-data`, with files, or "
          "`application/x-www-form-urlencoded`; numbers and flags are written as text.\n\n";
    }
    if (doc.request_media_type == "multipart/form-data" && route.body != BodyKind::kNone) {
      StrAppend(&out_,
                "The body is `multipart/form-data`: `curl -H \"Authorization: Bearer $KEY\" -F ",
                doc.request_schema.find("\"files\"") != std::string::npos ? "files" : "file",
                "=@handbook.pdf http://127.0.0.1:8080", route.pattern, "`\n\n");
    } else if (!doc.request_example.empty()) {
      Code("Request:", doc.request_example);
    } else if (doc.request != nullptr && route.body != BodyKind::kNone) {
      const std::set<std::string> in_path = InPath(route);
      if (static_cast<int>(in_path.size()) < doc.request->field_count()) {
        Code("Request:", ExampleOf(*doc.request, in_path));
      }
    }
  }

  void WriteReply(const Route& route) {
    const RouteDoc& doc = route.doc;
    if (doc.reply != nullptr && doc.reply->field_count() > 0) Mention(*doc.reply);
    const std::string example = !doc.reply_example.empty() ? doc.reply_example
                                : doc.reply != nullptr     ? ExampleOf(*doc.reply, {})
                                                           : std::string();
    if (doc.reply_media_type == "text/event-stream") {
      Code("Reply: `text/event-stream`, one event a change:", example);
      return;
    }
    if (!example.empty()) Code("Reply:", example);
    if (doc.reply_may_stream) {
      StrAppend(&out_, "With `\"stream\": true` the reply is `text/event-stream`",
                doc.stream_example.empty() ? "." : ":", "\n\n");
      if (!doc.stream_example.empty()) StrAppend(&out_, "```\n", doc.stream_example, "\n```\n\n");
    }
  }

  void Mention(const FieldDescriptor& field) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_map())
      Mention(*field.message_type());
  }

  void Mention(const Descriptor& message) {
    if (!mentioned_.emplace(ObjectName(message), &message).second) return;
    for (int i = 0; i < message.field_count(); ++i) Mention(*message.field(i));
  }

  void WriteObjects() {
    out_ +=
        "## Objects\n\nOf the native interface. Enums are lower-case words, times are "
        "milliseconds since 1970.\n\n";
    for (const auto& [name, message] : mentioned_) {
      StrAppend(&out_, "### ", name, "\n\n| field | type | meaning |\n|---|---|---|\n");
      for (int i = 0; i < message->field_count(); ++i) {
        const FieldRow row = RowOf(*message->field(i));
        StrAppend(&out_, "| `", row.name, "` | ", Cell(row.type), " | ", Cell(row.meaning), " |\n");
      }
      out_ += "\n";
    }
    while (out_.ends_with("\n\n")) out_.pop_back();
  }

  std::string out_;
  std::map<std::string, const Descriptor*> mentioned_;
};

}  // namespace

std::string ApiReferencePage(const HttpRoutes& routes) { return ReferenceWriter().Write(routes); }

}  // namespace tessera
