#include "services/dataprep/url_fetch.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "base/str.h"
#include "runtime/thread_pool.h"
#include "services/dataprep/content.h"

namespace tessera {
namespace {

constexpr std::size_t kWriteBytes = 1u << 20;

HttpClientConfig ClientConfig(const UrlFetchLimits& limits) {
  HttpClientConfig config;
  config.policy.allow_private = limits.allow_private;
  config.policy.trusted_hosts = limits.trusted_hosts;
  config.head_timeout = limits.timeout;
  config.reply_bytes_max = limits.bytes_max;
  return config;
}

Status StatusOfReply(const std::string& url, int code) {
  if (code == 200) return absl::OkStatus();
  const std::string message = StrCat(url, " answered ", code);
  if (code == 404 || code == 410) return absl::NotFoundError(message);
  if (code == 401 || code == 403)
    return absl::PermissionDeniedError(StrCat(message, ": it needs a sign-in"));
  return absl::UnavailableError(StrCat(message, "; try again later"));
}

}  // namespace

UrlFetch::UrlFetch(UrlFetchLimits limits, IoLoops& loops, Executor& blocking)
    : limits_(std::move(limits)), blocking_(blocking), client_(ClientConfig(limits_), loops) {}

Task<Status> UrlFetch::ToFile(Ctx ctx, std::string url, std::string path) {
  const Ctx bounded = ctx.WithTimeout(limits_.timeout);
  const Status status = co_await Receive(bounded, std::move(url), path);
  if (!status.ok()) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
  co_return status;
}

Task<Status> UrlFetch::Receive(Ctx ctx, std::string url, std::string path) {
  HttpClientRequest request;
  request.url = url;
  CO_TRY(HttpClientReply reply, co_await client_.Send(ctx, std::move(request)));
  CO_TRY(StatusOfReply(url, reply.status));
  CO_TRY(NewFile file, NewFile::Create(path));
  std::uint64_t bytes = 0;
  std::string buffer;
  while (true) {
    Result<std::optional<std::string>> piece = co_await reply.body->Next(ctx);
    if (absl::IsResourceExhausted(piece.status()))
      co_return absl::OutOfRangeError(piece.status().message());
    if (!piece.ok()) co_return piece.status();
    if (piece->has_value()) {
      bytes += (*piece)->size();
      buffer.append(**piece);
    }
    if (bytes > limits_.bytes_max) {
      co_return absl::OutOfRangeError(
          StrCat(url, " is larger than ", limits_.bytes_max >> 20, " MiB (url_bytes_max)"));
    }
    const bool last = !piece->has_value();
    if (last || buffer.size() >= kWriteBytes) {
      const Status written =
          co_await RunOn(blocking_, [&file, &buffer] { return file.Append(buffer); });
      if (!written.ok()) co_return written;
      buffer.clear();
    }
    if (last) co_return absl::OkStatus();
  }
}

}  // namespace tessera
