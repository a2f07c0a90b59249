#include "model/openai_call.h"

#include <algorithm>
#include <charconv>

#include "base/fault.h"
#include "base/json.h"
#include "base/str.h"
#include "net/http_error.h"
#include "net/trace_context.h"
#include "telemetry/trace.h"

namespace tessera {
namespace {

constexpr std::size_t kMessageMax = 300;
constexpr std::uint64_t kErrorBodyMax = 64 << 10;
constexpr std::uint32_t kRetryAfterMs = 1000;

std::uint32_t RetryAfterMs(const HttpHeaders& headers) {
  const std::string_view text = headers.Get("retry-after");
  std::uint32_t seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (parsed.ec != std::errc() || seconds > 3600) return kRetryAfterMs;
  return std::max(seconds, 1U) * 1000;
}

Status ErrorOf(const OpenAiOptions& options, const HttpClientReply& reply, std::string_view body) {
  const std::string text = StrCat("model ", options.name, ": its server answered ", reply.status,
                                  ": ", UpstreamMessage(body));
  switch (reply.status) {
    case 400:
    case 413:
    case 422:
      return absl::InvalidArgumentError(text);
    case 401:
    case 403:
      return absl::FailedPreconditionError(StrCat(text, "; check the model's key"));
    case 404:
      return absl::FailedPreconditionError(
          StrCat(text, "; check the model's base_url and upstream_model"));
    case 408:
    case 504:
      return ModelServerError(absl::StatusCode::kDeadlineExceeded, text);
    case 429:
      return Busy(text, RetryAfterMs(reply.headers));
    default:
      return ModelServerError(absl::StatusCode::kUnavailable, text);
  }
}

// "example.com:8443" of a URL; what may be a secret before '@' is left out.
std::string_view AuthorityOf(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != url.npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  const std::size_t at = url.rfind('@');
  return at == url.npos ? url : url.substr(at + 1);
}

}  // namespace

std::vector<std::uint32_t> EstimateTokens(const std::vector<std::string>& texts) {
  std::vector<std::uint32_t> counts;
  for (const std::string& text : texts)
    counts.push_back(static_cast<std::uint32_t>((text.size() + 3) / 4));
  return counts;
}

Status ModelServerError(absl::StatusCode code, std::string_view text) {
  return WithErrorCode(Status(code, AbslView(text)), kUpstreamFailed);
}

std::string UpstreamMessage(std::string_view body) {
  std::string message(body);
  if (const auto document = JsonDocument::Parse(std::string(body)); document.ok()) {
    std::optional<JsonValue> error = document->root().Find("error");
    if (error && error->is_object()) error = error->Find("message");
    if (!error) error = document->root().Find("message");
    if (!error) error = document->root().Find("detail");
    if (error && error->is_string()) message = std::string(*error->AsString());
  }
  if (message.size() > kMessageMax) message.resize(kMessageMax);
  for (char& c : message) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return message.empty() ? "(nothing)" : message;
}

// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): the model's
Task<Result<HttpClientReply>> PostToUpstream(Ctx ctx, HttpClient& client,
                                             const OpenAiOptions* options, std::string path,
                                             std::string body) {
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
  HttpClientRequest request;
  request.method = HttpMethod::kPost;
  request.url = options->base_url + path;
  request.headers.Add("content-type", "application/json");
  if (!options->key.empty()) request.headers.Add("authorization", StrCat("Bearer ", options->key));
  SpanScope span(ctx, "POST", SpanKind::kClient);
  span.Set("http.request.method", "POST");
  span.Set("server.address", AuthorityOf(options->base_url));
  span.Set("url.path", path);
  SetTraceHeaders(ctx, request.headers);
  request.body = std::move(body);
  Result<HttpClientReply> sent = co_await client.Send(ctx, std::move(request));
  if (sent.ok()) {
    span.Set("http.response.status_code", sent->status);
    span.End(sent->status < 400 ? absl::StatusCode::kOk : absl::StatusCode::kUnknown);
  } else {
    span.End(sent.status());
  }
  if (!sent.ok()) {
    const std::string text =
        StrCat("model ", options->name, ": ", StdView(sent.status().message()));
    if (ctx.Check().ok()) co_return ModelServerError(sent.status().code(), text);
    co_return Status(sent.status().code(), AbslView(text));
  }
  HttpClientReply reply = *std::move(sent);
  if (reply.status >= 200 && reply.status < 300) co_return reply;
  Result<std::string> text = co_await ReadAll(ctx, std::move(reply.body), kErrorBodyMax);
  co_return ErrorOf(*options, reply, text.ok() ? *text : std::string());
}

}  // namespace tessera
