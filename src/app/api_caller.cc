#include "app/api_caller.h"

#include <chrono>
#include <utility>

#include "absl/strings/numbers.h"
#include "app/api_json.h"
#include "app/exit_code.h"
#include "base/str.h"
#include "net/http_error.h"

namespace tessera {
namespace {

HttpClientConfig ClientConfig(const Url& url) {
  HttpClientConfig config;
  config.policy.trusted_hosts = {url.Authority()};  // the person named it
  config.head_timeout = std::chrono::hours(1);      // a backup, or a big upload
  config.stall_timeout = std::chrono::hours(1);
  config.idle_connections_max = 0;  // a fresh one each: none may be stale
  config.redirects_max = 0;         // the key goes nowhere else
  config.user_agent = "tessera-cli";
  return config;
}

std::string WithoutSlash(std::string base) {
  while (base.ends_with("/")) base.pop_back();
  return base;
}

}  // namespace

ApiCaller::ApiCaller(const Url& url, std::string base, std::string key)
    : base_(WithoutSlash(std::move(base))),
      key_(std::move(key)),
      loops_(1),
      http_(ClientConfig(url), loops_) {}

HttpClientRequest ApiCaller::Request(HttpMethod method, const std::string& path) const {
  HttpClientRequest request;
  request.method = method;
  request.url = base_ + path;
  if (!key_.empty()) request.headers.Set("Authorization", "Bearer " + key_);
  return request;
}

Task<Result<HttpClientReply>> ApiCaller::Send(Ctx ctx, HttpClientRequest request) {
  Result<HttpClientReply> reply = co_await http_.Send(ctx, std::move(request));
  if (!reply.ok()) {
    if (!absl::IsUnavailable(reply.status())) co_return reply.status();
    co_return absl::UnavailableError(
        StrCat("no server answers at ", base_, ": ", reply.status().message()));
  }
  if (reply->status < 300) co_return reply;
  const std::string wait(reply->headers.Get("Retry-After"));
  const int status = reply->status;
  CO_TRY(std::string body, co_await ReadAll(ctx, std::move(reply->body), kReplyMax));
  Status error = ParseError(status, std::move(body));
  int seconds = 0;
  if ((status == 429 || status == 503) && absl::SimpleAtoi(wait, &seconds))
    error = WithRetryAfter(std::move(error), seconds);
  co_return error;
}

Task<Result<std::string>> ApiCaller::Call(Ctx ctx, HttpMethod method, std::string path,
                                          std::string body) {
  HttpClientRequest request = Request(method, path);
  if (method == HttpMethod::kPost) request.headers.Set("Content-Type", "application/json");
  request.body = std::move(body);
  CO_TRY(HttpClientReply reply, co_await Send(ctx, std::move(request)));
  co_return co_await ReadAll(ctx, std::move(reply.body), kReplyMax);
}

Result<Url> ParseServerUrl(const std::string& url) {
  Result<Url> parsed = ParseUrl(url);
  if (parsed.ok()) return parsed;
  return WithExitCode(
      absl::InvalidArgumentError(StrCat("--url ", url, ": ", parsed.status().message(),
                                        "; write for example http://127.0.0.1:8080")),
      ExitCode::kUsage);
}

}  // namespace tessera
