#include "logs/log_sink.h"

#include <utility>

#include "base/str.h"
#include "net/compress.h"

namespace tessera {
namespace {
constexpr std::size_t kSaidMax = 300;
constexpr std::uint64_t kReplyMax = std::uint64_t{16} << 20;

// What a status says about all of a request.
Status OfHttpStatus(int status, std::string_view body) {
  if (status >= 200 && status < 300) return absl::OkStatus();
  const std::string text = StrCat("it answered ", status, ": ", body.substr(0, kSaidMax));
  if (status == 413) return absl::OutOfRangeError(text);
  // What is wrong with the request itself; the others may be mended on the other side, keys and
  // missing streams too.
  if (status == 400 || status == 422) return absl::InvalidArgumentError(text);
  return absl::UnavailableError(text);
}

}  // namespace

HttpClientConfig SinkClientConfig(const std::string& url, const std::string& ca_file,
                                  Duration timeout) {
  HttpClientConfig config;
  config.policy.allow_private = true;  // the operator's own words
  config.connect_timeout = timeout;
  config.head_timeout = timeout;
  config.stall_timeout = timeout;
  config.reply_bytes_max = kReplyMax;
  config.redirects_max = 0;
  config.ca_file = ca_file;
  return config;
}

Task<Result<std::string>> PostBatch(HttpClient* http, Ctx ctx, HttpClientRequest request,
                                    bool gzip) {
  request.method = HttpMethod::kPost;
  if (gzip) {
    request.headers.Add("content-encoding", "gzip");
    request.body = Compress(Coding::kGzip, request.body);
  }
  CO_TRY(HttpClientReply answer, co_await http->Send(ctx, std::move(request)));
  const int status = answer.status;
  CO_TRY(std::string body, co_await ReadAll(ctx, std::move(answer.body), kReplyMax));
  CO_TRY(OfHttpStatus(status, body));
  co_return body;
}

}  // namespace tessera
