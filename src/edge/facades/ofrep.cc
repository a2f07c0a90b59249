// OpenFeature Remote Evaluation Protocol (https://github.com/open-feature/protocol, 0.3.0): the
// standard SDKs read the platform's flags through it.

#include "edge/facades/ofrep.h"

#include <utility>

#include "base/ids.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "flags/flags.h"

namespace tessera {
namespace {

constexpr std::uint64_t kBodyMax = 64 << 10;

/// An evaluation context: what targetingKey, principal, tenant, scopes and headers of a JSON object
/// say. Other attributes are no business of ours.
class RequestContext {
 public:
  /// The fault; "" when there is none. kParseError: no JSON; kInvalidContext: another shape.
  std::pair<FlagError, std::string> Read(std::string body) {
    if (body.empty()) return {FlagError::kNone, ""};
    Result<JsonDocument> parsed = JsonDocument::Parse(std::move(body));
    if (!parsed.ok())
      return {FlagError::kParseError, std::string(StdView(parsed.status().message()))};
    document_.emplace(*std::move(parsed));
    if (!document_->root().is_object())
      return {FlagError::kInvalidContext, "the body must be an object"};
    const auto context = document_->root().Find("context");
    if (!context || context->is_null()) return {FlagError::kNone, ""};
    if (!context->is_object())
      return {FlagError::kInvalidContext,
              StrCat("context must be an object, is ", Name(context->kind()))};
    std::string fault = ReadMembers(*context);
    return {fault.empty() ? FlagError::kNone : FlagError::kInvalidContext, std::move(fault)};
  }

  FlagSubject subject() const {
    FlagSubject subject = subject_;
    if (subject.principal.empty()) subject.principal = subject.targeting_key;
    subject.scopes = scopes_;
    subject.headers = headers_;
    return subject;
  }

 private:
  std::string ReadMembers(const JsonValue& context) {
    const std::pair<std::string_view, std::string_view FlagSubject::*> texts[] = {
        {"targetingKey", &FlagSubject::targeting_key},
        {"principal", &FlagSubject::principal},
        {"tenant", &FlagSubject::tenant}};
    for (const auto& [name, target] : texts) {
      const auto member = context.Find(name);
      if (!member || member->is_null()) continue;
      if (!member->is_string())
        return StrCat("context.", name, " must be a string, is ", Name(member->kind()));
      subject_.*target = *member->AsString();
    }
    if (const auto scopes = context.Find("scopes")) {
      for (const JsonValue& scope : scopes->Elements()) {
        if (!scope.is_string()) return "context.scopes must be a list of strings";
        scopes_.emplace_back(*scope.AsString());
      }
    }
    if (const auto headers = context.Find("headers")) {
      for (const auto& [name, value] : headers->Members()) {
        if (!value.is_string()) return "context.headers must be an object of strings";
        headers_.emplace_back(ToLower(name), *value.AsString());
      }
    }
    return "";
  }

  std::optional<JsonDocument> document_;  // what the views show
  FlagSubject subject_;
  std::vector<std::string> scopes_;
  std::vector<std::pair<std::string, std::string>> headers_;
};

void WriteValue(JsonWriter& json, v1::FlagType type, const FlagVariant& variant) {
  json.Key("value");
  switch (type) {
    case v1::FLAG_TYPE_BOOLEAN:
      json.Value(variant.boolean);
      return;
    case v1::FLAG_TYPE_INTEGER:
      json.Value(variant.integer);
      return;
    case v1::FLAG_TYPE_NUMBER: {
      // "3" is an integer to SDKs that tell the two apart.
      JsonWriter number;
      number.Value(variant.number);
      const bool whole = number.text().find_first_of(".e") == std::string::npos;
      json.Raw(whole ? number.text() + ".0" : number.text());
      return;
    }
    case v1::FLAG_TYPE_OBJECT:
      json.Raw(variant.text);
      return;
    default:
      json.Value(variant.text);
  }
}

void WriteFault(JsonWriter& json, std::string_view key, FlagError error, std::string_view details) {
  json.BeginObject();
  if (!key.empty()) json.Field("key", key);
  json.Field("errorCode", Name(error)).Field("errorDetails", details).EndObject();
}

// False: what it wrote is a fault.
bool WriteEvaluation(JsonWriter& json, const CompiledFlag& flag, const FlagSubject& subject) {
  const std::string& key = flag.definition().key();
  const FlagAnswer answer = flag.Evaluate(subject);
  if (answer.variant == nullptr) {
    WriteFault(json, key, answer.error,
               StrCat("rule ", answer.rule, " splits by targetingKey, and the context has none"));
    return false;
  }
  json.BeginObject().Field("key", key).Field("reason", Name(answer.reason));
  json.Field("variant", answer.variant->name);
  WriteValue(json, flag.type(), *answer.variant);
  json.Key("metadata").BeginObject().Field("version", flag.definition().version()).EndObject();
  json.EndObject();
  return true;
}

HttpReply Fault(int status, std::string_view key, FlagError error, std::string_view details) {
  JsonWriter json;
  WriteFault(json, key, error, details);
  return HttpReply::Json(status, json.Take());
}

Task<Result<HttpReply>> EvaluateOne(HttpRequest request) {
  const std::string key(request.Param("key"));
  RequestContext context;
  const auto [error, details] = context.Read(std::move(request.body));
  if (error != FlagError::kNone) co_return Fault(400, key, error, details);
  const std::shared_ptr<const FlagSet> flags = CurrentFlags();
  const CompiledFlag* flag = flags->Find(key);
  if (flag == nullptr)
    co_return Fault(404, key, FlagError::kFlagNotFound,
                    StrCat("there is no flag \"", key.substr(0, 200), "\""));
  JsonWriter json;
  const bool evaluated = WriteEvaluation(json, *flag, context.subject());
  co_return HttpReply::Json(evaluated ? 200 : 400, json.Take());
}

bool Holds(std::string_view if_none_match, std::string_view tag) {
  return if_none_match == "*" || if_none_match.find(tag) != std::string_view::npos;
}

// The tag is made of all that would be sent: it changes when an answer does, and only then.
Task<Result<HttpReply>> EvaluateAll(HttpRequest request) {
  const std::string if_none_match(request.headers.Get("if-none-match"));
  RequestContext context;
  const auto [error, details] = context.Read(std::move(request.body));
  if (error != FlagError::kNone) co_return Fault(400, "", error, details);
  const std::shared_ptr<const FlagSet> flags = CurrentFlags();
  JsonWriter json;
  json.BeginObject().Key("flags").BeginArray();
  for (const CompiledFlag* flag : flags->all()) WriteEvaluation(json, *flag, context.subject());
  json.EndArray().Key("metadata").BeginObject().Field("version", flags->version()).EndObject();
  json.EndObject();
  const std::string tag = StrCat("\"", Hex(StableHash(json.text())), "\"");
  HttpReply reply =
      Holds(if_none_match, tag) ? HttpReply::Empty(304) : HttpReply::Json(200, json.Take());
  reply.headers.Add("etag", tag);
  reply.headers.Add("cache-control", "private, no-cache");
  co_return reply;
}

Route OfrepRoute(std::string pattern, std::string summary) {
  Route route;
  route.method = HttpMethod::kPost;
  route.pattern = std::move(pattern);
  route.scope = "flags.evaluate";
  route.body = BodyKind::kBuffered;
  route.body_max = kBodyMax;
  route.doc.summary = std::move(summary);
  route.doc.tag = "ofrep";
  route.doc.request_schema =
      R"({"type":"object","properties":{"context":{"type":"object","properties":{"targetingKey":{"type":"string","description":"what a split goes by"},"principal":{"type":"string","description":"default: targetingKey"},"tenant":{"type":"string"},"scopes":{"type":"array","items":{"type":"string"}},"headers":{"type":"object","additionalProperties":{"type":"string"}}}}}})";
  route.doc.request_example = R"({"context": {"targetingKey": "user-123", "tenant": "acme"}})";
  return route;
}

}  // namespace

void AddOfrep(HttpRoutes& routes) {
  Route one = OfrepRoute("/ofrep/v1/evaluate/flags/{key}", "one feature flag, for somebody");
  one.handler = [](Ctx, HttpRequest request) { return EvaluateOne(std::move(request)); };
  one.doc.description =
      "OpenFeature's remote evaluation protocol; the SDKs' OFREP providers speak it. Errors are "
      "OpenFeature's: `{\"key\", \"errorCode\", \"errorDetails\"}`.";
  one.doc.reply_example =
      R"({"key": "new-search", "reason": "SPLIT", "variant": "on", "value": true, "metadata": {"version": 7}})";
  routes.Add(one);
  Route all = OfrepRoute("/ofrep/v1/evaluate/flags", "every feature flag, for somebody");
  all.handler = [](Ctx, HttpRequest request) { return EvaluateAll(std::move(request)); };
  all.doc.description = "With `If-None-Match` and nothing changed: 304.";
  all.doc.reply_example =
      R"({"flags": [{"key": "new-search", "reason": "SPLIT", "variant": "on", "value": true, "metadata": {"version": 7}}], "metadata": {"version": 9}})";
  routes.Add(all);
}

}  // namespace tessera
