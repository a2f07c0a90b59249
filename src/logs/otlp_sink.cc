#include "logs/otlp_sink.h"

#include <algorithm>
#include <utility>

#include "net/compress.h"

namespace tessera {
namespace {
constexpr std::uint64_t kReplyMax = 1 << 20;
}

OtlpSink::OtlpSink(Options options, IoLoops& loops)
    : options_(std::move(options)),
      http_(SinkClientConfig(options_.url, options_.ca_file, options_.timeout), loops) {}

Task<Result<LogSink::Reply>> OtlpSink::Send(Ctx ctx, std::vector<v1::LogRecord> records) {
  HttpClientRequest request;
  request.method = HttpMethod::kPost;
  request.url = options_.url;
  request.headers.Add("content-type", "application/x-protobuf");
  for (const auto& [name, value] : options_.headers) request.headers.Add(name, value.Reveal());
  request.body = OtlpLogsRequest(records, options_.resource);
  if (options_.gzip) {
    request.headers.Add("content-encoding", "gzip");
    request.body = Compress(Coding::kGzip, request.body);
  }
  const Ctx limit = ctx.WithTimeout(options_.timeout);
  CO_TRY(HttpClientReply answer, co_await http_.Send(limit, std::move(request)));
  const int status = answer.status;
  CO_TRY(const std::string body, co_await ReadAll(limit, std::move(answer.body), kReplyMax));
  CO_TRY(OfHttpStatus(status, body));
  CO_TRY(OtlpReply read, ReadOtlpLogsReply(body));
  Reply reply;
  reply.rejected = std::min<std::uint64_t>(read.rejected, records.size());
  reply.reason = std::move(read.reason);
  co_return reply;
}

}  // namespace tessera
