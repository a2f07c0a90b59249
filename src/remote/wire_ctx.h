#pragma once
// A Ctx as the metadata of a call, and back. Which fields there are: README.md.

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/ctx.h"
#include "base/status.h"
#include "net/http2.h"

namespace tessera {

/// The header block of a request. Not movable: the fields point into it.
class CallHeaders {
 public:
  struct Options {
    std::string_view authority = "localhost";
    std::string_view scheme = "http";
    std::string_view authorization;                                 ///< sent as it is, unless empty
    std::span<const std::pair<std::string, std::string>> metadata;  ///< the first eight are sent
    bool send_identity = false;  ///< principal, scopes and tenant, for peers that trust them
    bool gzip = false;           ///< messages may be compressed
  };
  /// `method` is "tessera.v1.Retrieval.Search".
  CallHeaders(std::string_view method, const Ctx& ctx, const Options& options);
  CallHeaders(const CallHeaders&) = delete;
  std::span<const Http2Field> fields() const { return {fields_.data(), count_}; }

 private:
  void Add(std::string_view name, std::string_view value, bool indexed = true);

  std::string path_, timeout_, trace_, principal_, scopes_, tenant_;
  std::array<Http2Field, 32> fields_;
  std::size_t count_ = 0;
};

/// What a request says of its caller. `trusted`: the listener believes identity metadata.
struct CallerInfo {
  std::shared_ptr<RequestInfo> info;
  std::uint64_t parent_span = 0;
  SteadyTime deadline = SteadyTime::max();
  std::string authorization;
};
Result<CallerInfo> ReadCaller(const Http2Headers& headers, bool trusted);

/// "200m", "30S" …: at most eight digits and a unit. Nothing when it is none.
std::optional<Duration> ParseTimeout(std::string_view text);
std::string FormatTimeout(Duration left);

}  // namespace tessera
