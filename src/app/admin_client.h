#pragma once
// Calls of the admin API, for commands that speak with a running server.

#include <memory>
#include <string>
#include <utility>

#include "app/api_caller.h"
#include "app/target.h"
#include "base/json.h"
#include "base/str.h"
#include "base/task.h"
#include "edge/proto_json.h"

namespace tessera {

/// Not thread-safe.
class AdminClient {
 public:
  /// NOT_FOUND: no server runs on the target's data folder.
  static Result<std::unique_ptr<AdminClient>> Connect(const PlatformTarget& target,
                                                      CancelToken cancel) {
    TRY(Endpoint server, FindTarget(target));
    TRY(const Url url, ParseServerUrl(server.url));
    return std::make_unique<AdminClient>(url, server, std::move(cancel));
  }
  AdminClient(const Url& url, const Endpoint& server, CancelToken cancel)
      : api_(url, server.url, server.key), ctx_(SystemCtx(std::move(cancel))) {}

  template <class Reply>
  Result<Reply> Get(std::string path) {
    return Call<Reply>(HttpMethod::kGet, std::move(path), "");
  }
  template <class Reply, class Request>
  Result<Reply> Post(std::string path, const Request& request) {
    return Call<Reply>(HttpMethod::kPost, std::move(path), MessageToJson(request));
  }
  template <class Reply>
  Result<Reply> Delete(std::string path) {
    return Call<Reply>(HttpMethod::kDelete, std::move(path), "");
  }

 private:
  // Members that are not known are skipped: a newer server may say more.
  template <class Reply>
  Result<Reply> Call(HttpMethod method, std::string path, std::string body) {
    TRY(std::string json, SyncWait(api_.Call(ctx_, method, std::move(path), std::move(body))));
    TRY(const JsonDocument document, JsonDocument::Parse(std::move(json)));
    Reply reply;
    JsonErrors ignored;
    ReadMessage(document.root(), "", ignored, &reply);
    return reply;
  }

  ApiCaller api_;
  const Ctx ctx_;
};

}  // namespace tessera
