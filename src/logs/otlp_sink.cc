#include "logs/otlp_sink.h"

#include <algorithm>
#include <utility>

namespace tessera {

OtlpSink::OtlpSink(Options options, IoLoops& loops)
    : options_(std::move(options)),
      http_(SinkClientConfig(options_.url, options_.ca_file, options_.timeout), loops) {}

Task<Result<LogSink::Reply>> OtlpSink::Send(Ctx ctx, std::vector<v1::LogRecord> records) {
  HttpClientRequest request;
  request.url = options_.url;
  request.headers.Add("content-type", "application/x-protobuf");
  for (const auto& [name, value] : options_.headers) request.headers.Add(name, value.Reveal());
  request.body = OtlpLogsRequest(records, options_.resource);
  CO_TRY(const std::string body, co_await PostBatch(&http_, ctx.WithTimeout(options_.timeout),
                                                    std::move(request), options_.gzip));
  CO_TRY(OtlpReply read, ReadOtlpLogsReply(body));
  Reply reply;
  reply.rejected = std::min<std::uint64_t>(read.rejected, records.size());
  reply.reason = std::move(read.reason);
  co_return reply;
}

}  // namespace tessera
