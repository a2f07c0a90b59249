#pragma once
// A data stream of Elasticsearch or OpenSearch.

#include <string>

#include "config/secret.h"
#include "logs/log_sink.h"
#include "net/http_client.h"

namespace tessera {

class BulkSink final : public LogSink {
 public:
  struct Options {
    std::string url;  ///< of the server: "https://logs.example.org:9200"
    std::string data_stream = "logs-tessera-default";
    std::string user;
    Secret password;
    Secret api_key;  ///< as the server gives it out, encoded
    bool gzip = true;
    std::string ca_file;
    Duration timeout = std::chrono::seconds(10);
    std::string service = "tessera";
    std::string version;
  };
  /// `loops` outlives it.
  BulkSink(Options options, IoLoops& loops);

  std::string_view name() const override { return "elasticsearch"; }
  Task<Result<Reply>> Send(Ctx ctx, std::vector<v1::LogRecord> records) override;

 private:
  const Options options_;
  HttpClient http_;
};

}  // namespace tessera
