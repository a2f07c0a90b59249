#include "edge/api_error.h"

#include "base/json_writer.h"
#include "base/str.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

// FastAPI answers what a request's fields say wrong with 422.
int StatusIn(ErrorShape shape, const Status& status) {
  const int http = HttpStatusOf(status);
  if (shape == ErrorShape::kOpea && http == 400 && !FieldsOf(status).empty()) return 422;
  return http;
}

std::string_view OpenAiType(int http) {
  switch (http) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return http >= 500 ? "server_error" : "invalid_request_error";
  }
}

// "messages[0].role" as the list that FastAPI has: ["body","messages",0,"role"].
void WriteLocation(JsonWriter& json, std::string_view field) {
  json.BeginArray().Value("body");
  std::string word;
  const auto flush = [&] {
    if (!word.empty()) json.Value(word);
    word.clear();
  };
  for (std::size_t i = 0; i < field.size(); ++i) {
    const std::size_t close = field[i] == '[' ? field.find(']', i) : std::string_view::npos;
    if (field[i] == '.') {
      flush();
    } else if (close != std::string_view::npos && close > i + 1) {
      flush();
      const std::string_view index = field.substr(i + 1, close - i - 1);
      const bool number =
          index.size() < 10 && index.find_first_not_of("0123456789") == std::string_view::npos;
      number ? json.Value(std::stoi(std::string(index))) : json.Value(index);
      i = close;
    } else {
      word.push_back(field[i]);
    }
  }
  flush();
  json.EndArray();
}

void WriteOpea(JsonWriter& json, std::string_view message, const std::vector<FieldError>& fields) {
  json.BeginObject().Key("detail");
  if (fields.empty()) {
    json.Value(message);
  } else {
    json.BeginArray();
    for (const FieldError& error : fields) {
      json.BeginObject().Field("type", "value_error").Key("loc");
      WriteLocation(json, error.field);
      json.Field("msg", error.message).EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
}

void WriteOpenAi(JsonWriter& json, const Status& status, int http, std::string_view message,
                 const std::vector<FieldError>& fields) {
  json.BeginObject().Key("error").BeginObject();
  json.Field("message", message).Field("type", OpenAiType(http)).Key("param");
  fields.empty() || fields.front().field.empty() ? json.Null() : json.Value(fields.front().field);
  const std::string code = http == 401 ? "invalid_api_key" : ErrorCodeOf(status);
  json.Key("code");
  code.empty() ? json.Null() : json.Value(code);
  json.EndObject().EndObject();
}

void WriteProblem(JsonWriter& json, int http, std::string_view message,
                  const std::vector<FieldError>& fields, std::string_view request_id,
                  std::string_view path) {
  json.BeginObject().Field("type", "about:blank").Field("title", ReasonPhrase(http));
  json.Field("status", http).Field("detail", message);
  if (!path.empty()) json.Field("instance", path);
  if (!request_id.empty()) json.Field("request_id", request_id);
  if (!fields.empty()) {
    json.Key("errors").BeginArray();
    for (const FieldError& error : fields) {
      json.BeginObject().Field("field", error.field).Field("message", error.message).EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
}

}  // namespace

std::string ErrorJson(ErrorShape shape, const Status& status, const RequestInfo& request,
                      std::string_view path) {
  const int http = StatusIn(shape, status);
  const std::vector<FieldError> fields = FieldsOf(status);
  std::string message(StdView(status.message()));
  if (http == 500) {
    Log(Ctx(std::make_shared<const RequestInfo>(request), {}), LogLevel::kError,
        "a request failed inside", {{"path", path}, {"error", message}});
    message = StrCat("something failed inside; the log has it under request ", request.request_id);
  }
  JsonWriter json;
  switch (shape) {
    case ErrorShape::kOpenAi:
      WriteOpenAi(json, status, http, message, fields);
      break;
    case ErrorShape::kOpea:
      WriteOpea(json, message, fields);
      break;
    case ErrorShape::kProblem:
      WriteProblem(json, http, message, fields, request.request_id, path);
      break;
  }
  return json.Take();
}

HttpReply ErrorReply(ErrorShape shape, const Status& status, const RequestInfo& request,
                     std::string_view path) {
  const int http = StatusIn(shape, status);
  const std::string_view media_type =
      shape == ErrorShape::kProblem ? "application/problem+json" : "application/json";
  HttpReply reply = HttpReply::Text(http, ErrorJson(shape, status, request, path), media_type);
  if (http == 401) reply.headers.Add("www-authenticate", "Bearer realm=\"tessera\"");
  int retry_after = RetryAfterOf(status);
  if (retry_after == 0 && (http == 429 || http == 503)) retry_after = 1;
  if (retry_after > 0) reply.headers.Add("retry-after", std::to_string(retry_after));
  return reply;
}

}  // namespace tessera
