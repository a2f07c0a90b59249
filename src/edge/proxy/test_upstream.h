#pragma once
// For tests: an HTTP server of somebody else, on a real socket, that does as it is told.

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/task.h"
#include "net/http_server.h"
#include "runtime/thread_pool.h"
#include "runtime/waiter.h"

namespace tessera {

class TestUpstream final : public HttpService {
 public:
  struct Seen {
    std::string path, query, body, request_id, traceparent, authorization;
  };

  TestUpstream() {
    HttpServerConfig config;
    config.port = 0;
    server_ = std::make_unique<HttpServer>(config, *this, loops_, pool_);
    EXPECT_TRUE(server_->Start().ok());
  }
  ~TestUpstream() override { Stop(); }

  void Stop() {
    if (server_)
      EXPECT_TRUE(SyncWait(server_->Drain(Ctx().WithTimeout(std::chrono::seconds(10)))).ok());
    server_.reset();
  }
  std::string Url(std::string_view path) const {
    return StrCat("http://127.0.0.1:", server_->port(), path);
  }
  std::vector<Seen> seen() const {
    std::lock_guard lock(mutex_);
    return seen_;
  }
  /// Answers; by default with the request's body.
  void Answer(std::function<HttpReply(const HttpRequest&)> answer) {
    std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }

  Admission Admit(HttpRequest&) override {
    Admission admission;
    admission.body = BodyKind::kBuffered;
    admission.body_max = 1 << 20;
    return admission;
  }
  Task<HttpReply> Handle(Ctx ctx, HttpRequest request) override {
    if (request.path == "/never") {
      Waiter waiter(ctx);
      const Status ignored = co_await waiter;
    }
    std::lock_guard lock(mutex_);
    const auto header = [&](std::string_view name) {
      return std::string(request.headers.Get(name));
    };
    seen_.push_back({request.path, request.query, request.body, header("x-request-id"),
                     header("traceparent"), header("authorization")});
    co_return answer_ ? answer_(request) : HttpReply::Json(200, request.body);
  }
  HttpReply OnBadRequest(const HttpRequest*, int status, std::string_view) override {
    return HttpReply::Empty(status);
  }

 private:
  mutable std::mutex mutex_;
  std::function<HttpReply(const HttpRequest&)> answer_;
  std::vector<Seen> seen_;
  IoLoops loops_{1};
  ThreadPool pool_{"upstream", 1};
  std::unique_ptr<HttpServer> server_;
};

}  // namespace tessera
