#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"
#include "net/compress.h"
#include "net/http_server.h"
#include "net/sse.h"
#include "runtime/thread_pool.h"
#include "runtime/waiter.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

/// Events of an upstream that never ends: the second one comes only after a cancel.
class StuckEvents final : public Stream<std::string> {
 public:
  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    if (first_) {
      first_ = false;
      co_return SseEvent("one") + SseEvent("two");
    }
    Waiter waiter(ctx);
    CO_TRY(co_await waiter);
    co_return std::nullopt;
  }

 private:
  bool first_ = true;
};

class Upstream final : public HttpService {
 public:
  Admission Admit(HttpRequest&) override {
    Admission admission;
    admission.body = BodyKind::kBuffered;
    admission.body_max = 1 << 20;
    return admission;
  }
  Task<HttpReply> Handle(Ctx ctx, HttpRequest request) override {
    peers.push_back(request.peer);
    last_authorization = std::string(request.headers.Get("authorization"));
    if (request.path == "/loop") co_return HttpReply::Redirect(302, "/loop");
    if (request.path == "/go") co_return HttpReply::Redirect(302, "/there?x=1");
    if (request.path == "/away") co_return HttpReply::Redirect(302, away);
    if (request.path == "/events")
      co_return HttpReply::EventStream(std::make_unique<StuckEvents>());
    if (request.path == "/never") {
      Waiter waiter(ctx);
      const Status ignored = co_await waiter;
    }
    if (request.path == "/zip") {
      HttpReply reply = HttpReply::Text(200, Compress(Coding::kGzip, std::string(100'000, 'z')));
      reply.headers.Add("content-encoding", "gzip");
      co_return reply;
    }
    co_return HttpReply::Text(200, StrCat(request.path, "|", request.query, "|", request.body));
  }
  HttpReply OnBadRequest(const HttpRequest*, int status, std::string_view) override {
    return HttpReply::Empty(status);
  }
  std::vector<std::string> peers;
  std::string away;
  std::string last_authorization;
};

class HttpClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    HttpServerConfig config;
    config.port = 0;
    server_ = std::make_unique<HttpServer>(config, upstream_, loops_, pool_);
    ASSERT_TRUE(server_->Start().ok());
  }
  void TearDown() override {
    EXPECT_TRUE(SyncWait(server_->Drain(Ctx().WithTimeout(std::chrono::seconds(5)))).ok());
  }
  HttpClient Client(bool trusted = true, std::uint64_t reply_bytes_max = 1 << 20) {
    HttpClientConfig config;
    config.reply_bytes_max = reply_bytes_max;
    if (trusted) config.policy.trusted_hosts = {StrCat("127.0.0.1:", server_->port())};
    return HttpClient(config, loops_);
  }
  std::string Url(std::string_view target) {
    return StrCat("http://127.0.0.1:", server_->port(), target);
  }
  // Status, and the whole body.
  Result<std::pair<int, std::string>> Get(HttpClient& client, std::string_view url, Ctx ctx = {}) {
    HttpClientRequest request;
    request.url = url;
    request.headers.Add("authorization", "Bearer k");
    auto reply = SyncWait(client.Send(ctx, std::move(request)));
    if (!reply.ok()) return reply.status();
    auto body = SyncWait(ReadAll(ctx, std::move(reply->body), 1 << 20));
    if (!body.ok()) return body.status();
    return std::pair(reply->status, *body);
  }

  IoLoops loops_{1};
  ThreadPool pool_{"test", 1};
  Upstream upstream_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpClientTest, GetsAndPostsOverOneConnection) {
  HttpClient client = Client();
  EXPECT_EQ(Get(client, Url("/a?b=c"))->second, "/a|b=c|");
  HttpClientRequest post;
  post.method = HttpMethod::kPost;
  post.url = Url("/p");
  post.body = "hello";
  auto reply = SyncWait(client.Send(Ctx(), std::move(post)));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(*SyncWait(ReadAll(Ctx(), std::move(reply->body), 100)), "/p||hello");
  ASSERT_EQ(upstream_.peers.size(), 2U);
  EXPECT_EQ(upstream_.peers[0], upstream_.peers[1]) << "the connection was not used again";
}

TEST_F(HttpClientTest, FollowsRedirectsWithinLimits) {
  HttpClient client = Client();
  EXPECT_EQ(Get(client, Url("/go"))->second, "/there|x=1|");
  EXPECT_EQ(upstream_.last_authorization, "Bearer k");
  EXPECT_THAT(std::string(StdView(Get(client, Url("/loop")).status().message())),
              HasSubstr("redirects"));
}

TEST_F(HttpClientTest, RedirectsAreCheckedAnew) {
  HttpClient client = Client();
  for (const std::string& target :
       {StrCat("http://localhost:", server_->port(), "/"), std::string("http://169.254.169.254/"),
        std::string("file:///etc/passwd")}) {
    upstream_.away = target;
    EXPECT_FALSE(Get(client, Url("/away")).ok()) << target;
  }
}

TEST_F(HttpClientTest, RefusesAddressesThatAreNotPublic) {
  HttpClient client = Client(false);
  const std::string port = StrCat(":", server_->port(), "/");
  for (const std::string_view host :
       {"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433",
        "0x7f000001", "0177.0.0.1", "127.1", "10.0.0.1", "169.254.169.254", "[fe80::1]"}) {
    const Status status = Get(client, StrCat("http://", host, port)).status();
    EXPECT_TRUE(status.code() == absl::StatusCode::kPermissionDenied ||
                status.code() == absl::StatusCode::kUnavailable)
        << host << ": " << status;
    EXPECT_TRUE(upstream_.peers.empty()) << host << " was connected to";
  }
  EXPECT_EQ(Get(client, "http://127.0.0.1:1/").status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(HttpClientTest, BoundsReplies) {
  HttpClient client = Client(true, 50'000);
  EXPECT_EQ(Get(client, Url("/zip")).status().code(), absl::StatusCode::kResourceExhausted);
  HttpClient roomy = Client();
  EXPECT_EQ(Get(roomy, Url("/zip"))->second.size(), 100'000U);
}

TEST_F(HttpClientTest, EndsWithItsCtx) {
  HttpClient client = Client();
  EXPECT_EQ(
      Get(client, Url("/never"), Ctx().WithTimeout(std::chrono::milliseconds(50))).status().code(),
      absl::StatusCode::kDeadlineExceeded);
}

TEST_F(HttpClientTest, ReadsEventsAndCancels) {
  HttpClient client = Client();
  HttpClientRequest request;
  request.url = Url("/events");
  CancelSource cancel;
  const Ctx ctx(nullptr, cancel.token());
  auto reply = SyncWait(client.Send(ctx, std::move(request)));
  ASSERT_TRUE(reply.ok()) << reply.status();
  SseReader reader;
  std::vector<std::string> events;
  while (events.size() < 2) {
    const auto piece = SyncWait(reply->body->Next(ctx));
    ASSERT_TRUE(piece.ok() && *piece);
    ASSERT_TRUE(reader.Feed(**piece).ok());
    while (const auto event = reader.Next()) events.push_back(event->data);
  }
  EXPECT_THAT(events, ::testing::ElementsAre("one", "two"));
  cancel.Cancel(absl::CancelledError("stop"));
  EXPECT_EQ(SyncWait(reply->body->Next(ctx)).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(HttpClientTest, SaysWhatIsWrongWithAUrl) {
  HttpClient client = Client();
  EXPECT_THAT(std::string(StdView(Get(client, "ftp://x/").status().message())),
              HasSubstr("only http and https"));
  EXPECT_THAT(std::string(StdView(Get(client, "http://u:p@x/").status().message())),
              HasSubstr("user name"));
  EXPECT_EQ(Get(client, Url("/").replace(7, 9, "127.0.0.1")).status().code(),
            absl::StatusCode::kOk);
}

TEST(OutboundTest, KnowsPublicAddresses) {
  for (const char* address : {"1.1.1.1", "8.8.8.8", "2606:4700::1111", "192.0.1.1"}) {
    EXPECT_TRUE(IsPublicAddress(address)) << address;
  }
  for (const char* address : {"127.0.0.1",
                              "10.1.2.3",
                              "172.31.0.1",
                              "192.168.1.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "0.0.0.0",
                              "224.0.0.1",
                              "255.255.255.255",
                              "198.18.0.1",
                              "::",
                              "::1",
                              "fc00::1",
                              "fe80::1",
                              "ff02::1",
                              "::ffff:10.0.0.1",
                              "64:ff9b::7f00:1",
                              "2002:7f00:1::",
                              "2001::1",
                              "2001:db8::1",
                              "not an address",
                              ""}) {
    EXPECT_FALSE(IsPublicAddress(address)) << address;
  }
}

}  // namespace
}  // namespace tessera
