#pragma once
// HTTP to a server of ours: the key, the errors in words.

#include <cstdint>
#include <string>

#include "net/http_client.h"
#include "net/io_loop.h"
#include "net/uri.h"

namespace tessera {

/// Thread-safe. Does not connect before the first call.
class ApiCaller {
 public:
  static constexpr std::uint64_t kReplyMax = std::uint64_t{64} << 20;

  /// `base` is `url` as text; "" is no key.
  ApiCaller(const Url& url, std::string base, std::string key);

  HttpClientRequest Request(HttpMethod method, const std::string& path) const;
  /// Sends; what is no success becomes an error in words, UNAVAILABLE when nobody answers.
  Task<Result<HttpClientReply>> Send(Ctx ctx, HttpClientRequest request);
  /// Sends `body` as JSON, and gives the reply's body.
  Task<Result<std::string>> Call(Ctx ctx, HttpMethod method, std::string path, std::string body);

 private:
  const std::string base_;
  const std::string key_;
  IoLoops loops_;
  HttpClient http_;
};

/// What a person gave as --url. The error ends the command as wrong usage.
Result<Url> ParseServerUrl(const std::string& url);

}  // namespace tessera
