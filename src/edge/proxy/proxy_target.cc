#include "edge/proxy/proxy_target.h"

#include "base/str.h"
#include "edge/proxy/rest_method.h"
#include "net/header_values.h"
#include "net/http_error.h"
#include "net/trace_context.h"
#include "net/uri.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr int kBadGateway = 502;
constexpr std::string_view kToUpstream[] = {"content-type", "accept", "accept-language"};
constexpr std::string_view kFromUpstream[] = {"retry-after", "content-language", "cache-control"};

bool IsGood(int status) { return status >= 200 && status < 300; }

}  // namespace

ProxyCall ProxyCall::Of(const HttpRequest& request) {
  ProxyCall call;
  call.method = request.method;
  call.path = request.path;
  call.query = request.query;
  for (const std::string_view name : kToUpstream) {
    if (request.headers.Has(name)) call.headers.Add(name, request.headers.Get(name));
  }
  call.params = request.params;
  call.body = request.body;
  return call;
}

HttpRequest ProxyCall::ToRequest() const {
  HttpRequest request;
  request.method = method;
  request.path = path;
  request.query = query;
  request.headers = headers;
  request.params = params;
  request.body = body;
  return request;
}

Result<std::unique_ptr<const ProxyTarget>> ProxyTarget::Make(ProxyTargetConfig config,
                                                             RouteHandler handler,
                                                             std::uint64_t reply_bytes_max,
                                                             IoLoops& loops) {
  TRY(Reshape request, Reshape::Make(config.request));
  TRY(Reshape reply, Reshape::Make(config.reply));
  std::shared_ptr<HttpClient> http;
  if (!handler) {
    // A segment's name is no part of the host.
    TRY(http,
        MakeUpstreamClient({config.http.substr(0, config.http.find('{'))}, reply_bytes_max, loops));
  }
  return std::unique_ptr<const ProxyTarget>(new ProxyTarget(std::move(config), std::move(handler),
                                                            std::move(request), std::move(reply),
                                                            std::move(http), reply_bytes_max));
}

ProxyTarget::ProxyTarget(ProxyTargetConfig config, RouteHandler handler, Reshape request,
                         Reshape reply, std::shared_ptr<HttpClient> http,
                         std::uint64_t reply_bytes_max)
    : config_(std::move(config)),
      handler_(std::move(handler)),
      request_(std::move(request)),
      reply_(std::move(reply)),
      http_(std::move(http)),
      reply_bytes_max_(reply_bytes_max) {}

Task<Result<HttpReply>> ProxyTarget::Call(Ctx ctx, HttpRequest request) const {
  if (!request_.empty() && !request.body.empty()) {
    CO_TRY(JsonTree asked, JsonTree::Parse(std::move(request.body)));
    CO_TRY(const JsonTree shaped, request_.Apply(std::move(asked)));
    request.body = shaped.ToJson();
  }
  Task<Result<HttpReply>> sent =
      http_ ? CallHttp(ctx, std::move(request)) : handler_(ctx, std::move(request));
  Result<HttpReply> answered = co_await std::move(sent);
  if (!answered.ok()) co_return answered.status();
  HttpReply reply = *std::move(answered);
  auto* const text = std::get_if<std::string>(&reply.body);
  const bool is_json = MediaType(reply.headers.Get("content-type")) == "application/json";
  if (reply_.empty() || text == nullptr || !IsGood(reply.status) || !is_json) co_return reply;
  Result<JsonTree> said = JsonTree::Parse(std::move(*text));
  Result<JsonTree> shaped = said.ok() ? reply_.Apply(*std::move(said)) : std::move(said);
  if (!shaped.ok()) {
    const std::string message = StrCat("the reply of the target \"", config_.name,
                                       "\" does not fit: ", StdView(shaped.status().message()));
    co_return WithHttpStatus(absl::UnavailableError(message), kBadGateway);
  }
  *text = shaped->ToJson();
  co_return reply;
}

std::string ProxyTarget::UrlOf(const HttpRequest& request) const {
  std::string url = config_.http;
  for (const auto& [name, value] : request.params) {
    const std::string place = StrCat("{", name, "}");
    const std::size_t at = url.find(place);
    if (at != std::string::npos) url.replace(at, place.size(), PercentEncode(value));
  }
  if (!request.query.empty())
    StrAppend(&url, url.find('?') == std::string::npos ? "?" : "&", request.query);
  return url;
}

// The client is told which target, not where it is.
Status ProxyTarget::Unreachable(const Ctx& ctx, const Status& status) const {
  if (absl::IsCancelled(status)) return status;
  Log(ctx, LogLevel::kWarning, "a target of a public route did not answer",
      {{"target", config_.name}, {"url", config_.http}, {"reason", status.ToString()}});
  const bool late = absl::IsDeadlineExceeded(status);
  const std::string message = StrCat("the target \"", config_.name, "\" of this route ",
                                     late                                ? "is too slow"
                                     : absl::IsResourceExhausted(status) ? "says too much"
                                                                         : "cannot be reached");
  return late ? absl::DeadlineExceededError(message)
              : WithHttpStatus(absl::UnavailableError(message), kBadGateway);
}

Task<Result<HttpReply>> ProxyTarget::CallHttp(Ctx ctx, HttpRequest request) const {
  ctx.TightenDeadline(Now() + config_.timeout);
  HttpClientRequest call;
  call.method = request.method;
  call.url = UrlOf(request);
  for (const std::string_view name : kToUpstream) {
    if (request.headers.Has(name)) call.headers.Add(name, request.headers.Get(name));
  }
  for (const auto& [name, value] : config_.headers) call.headers.Set(name, value.Reveal());
  SetTraceHeaders(ctx, call.headers);
  call.body = std::move(request.body);
  Result<HttpClientReply> answered = co_await http_->Send(ctx, std::move(call));
  if (!answered.ok()) co_return Unreachable(ctx, answered.status());
  const std::string type(answered->headers.Get("content-type"));
  HttpReply reply;
  if (MediaType(type) == "text/event-stream") {
    reply = HttpReply::Streamed(answered->status, type, std::move(answered->body));
  } else {
    Result<std::string> body = co_await ReadAll(ctx, std::move(answered->body), reply_bytes_max_);
    if (!body.ok()) co_return Unreachable(ctx, body.status());
    reply = HttpReply::Text(answered->status, *std::move(body), type);
  }
  for (const std::string_view name : kFromUpstream) {
    if (answered->headers.Has(name)) reply.headers.Add(name, answered->headers.Get(name));
  }
  co_return reply;
}

}  // namespace tessera
