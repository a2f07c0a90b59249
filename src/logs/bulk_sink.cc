#include "logs/bulk_sink.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "base/str.h"
#include "logs/bulk_format.h"
#include "net/uri.h"

namespace tessera {

BulkSink::BulkSink(Options options, IoLoops& loops)
    : options_(std::move(options)),
      http_(SinkClientConfig(options_.url, options_.ca_file, options_.timeout), loops) {}

Task<Result<LogSink::Reply>> BulkSink::Send(Ctx ctx, std::vector<v1::LogRecord> records) {
  HttpClientRequest request;
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
  CO_TRY(std::string body, co_await PostBatch(&http_, ctx.WithTimeout(options_.timeout),
                                              std::move(request), options_.gzip));
  co_return ReadBulkReply(std::move(body), records.size());
}

}  // namespace tessera
