#include "logs/bulk_sink.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "base/str.h"
#include "logs/bulk_format.h"
#include "net/compress.h"
#include "net/named_server.h"
#include "net/uri.h"

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

BulkSink::BulkSink(Options options, IoLoops& loops)
    : options_(std::move(options)),
      http_(NamedServerConfig(options_.url, options_.ca_file, options_.timeout, kReplyMax), loops) {
}

Task<Result<LogSink::Reply>> BulkSink::Send(Ctx ctx, std::vector<v1::LogRecord> records) {
  HttpClientRequest request;
  request.method = HttpMethod::kPost;
  request.url = StrCat(options_.url, options_.url.ends_with('/') ? "" : "/",
                       PercentEncode(options_.data_stream), "/_bulk");
  request.headers.Add("content-type", "application/x-ndjson");
  if (!options_.api_key.empty()) {
    request.headers.Add("authorization", StrCat("ApiKey ", options_.api_key.Reveal()));
  } else if (!options_.user.empty()) {
    request.headers.Add("authorization",
                        StrCat("Basic ", absl::Base64Escape(StrCat(options_.user, ":",
                                                                   options_.password.Reveal()))));
  }
  request.body = BulkRequest(records, options_.service, options_.version);
  if (options_.gzip) {
    request.headers.Add("content-encoding", "gzip");
    request.body = Compress(Coding::kGzip, request.body);
  }
  const Ctx limit = ctx.WithTimeout(options_.timeout);
  CO_TRY(HttpClientReply answer, co_await http_.Send(limit, std::move(request)));
  const int status = answer.status;
  CO_TRY(std::string body, co_await ReadAll(limit, std::move(answer.body), kReplyMax));
  CO_TRY(OfHttpStatus(status, body));
  co_return ReadBulkReply(std::move(body), records.size());
}

}  // namespace tessera
