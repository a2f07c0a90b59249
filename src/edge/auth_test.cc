// Who may do what, over every route that is served.
#include <fstream>
#include <iterator>

#include <sys/stat.h>
#include <unistd.h>

#include "edge/test_edge.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A path of the route: every {name} becomes "x".
std::string PathOf(std::string_view pattern) {
  std::string path;
  bool named = false;
  for (const char c : pattern) {
    if (c == '{') path.push_back('x');
    named = c == '{' || (named && c != '}');
    if (!named && c != '}') path.push_back(c);
  }
  return path;
}

TEST_F(EdgeTest, EveryRouteIsDeniedWithoutAKey) {
  config_.api_keys.push_back({"poor", Secret("0123456789abcdef-poor"), {"nothing"}, ""});
  Start();
  const std::set<std::string> open = {"/health/live",   "/health/startup", "/health/ready",
                                      "/login",         "/api/v1/session", "/",
                                      "/assets/{file*}"};
  int closed = 0;
  for (const auto& route : edge_->served().all()) {
    const std::string path = PathOf(route->pattern);
    const std::string_view method = Name(route->method);
    EXPECT_EQ(route->open, open.contains(route->pattern)) << route->pattern;
    if (route->open) continue;
    ++closed;
    EXPECT_EQ(StatusOf(Ask(method, path, "")), 401) << method << " " << path;
    EXPECT_EQ(StatusOf(Ask(method, path, "Authorization: Bearer None\r\n")), 401) << path;
    EXPECT_EQ(StatusOf(Ask(method, path, "Authorization: Bearer \r\n")), 401) << path;
    EXPECT_EQ(StatusOf(Ask(method, path, "Authorization: Bearer wrong-wrong-wrong\r\n")), 401);
    EXPECT_EQ(StatusOf(Ask(method, path, "Authorization: Basic eDp5\r\n")), 401) << path;
    EXPECT_EQ(StatusOf(Ask(method, path, "Cookie: tessera_session=x\r\n")), 401) << path;
    EXPECT_EQ(StatusOf(Ask(method, path, StrCat(Key(), Key()))), 401) << path;
    EXPECT_EQ(StatusOf(Ask(method, path, "Authorization: Bearer 0123456789abcdef-poor\r\n")), 403)
        << path;
  }
  EXPECT_GT(closed, 15);
}

TEST_F(EdgeTest, AKeyMayWhatItsScopesSay) {
  config_.api_keys.push_back({"reader", Secret("0123456789abcdef-read"), {"retrieval.read"}, ""});
  Start();
  const std::string reader = "Authorization: Bearer 0123456789abcdef-read\r\n";
  EXPECT_EQ(StatusOf(Ask("GET", "/api/v1/collections", reader)), 200);
  EXPECT_EQ(StatusOf(Ask("POST", "/api/v1/collections", reader, "{}")), 403);
  EXPECT_EQ(StatusOf(Get("/api/v1/collections")), 200);
}

TEST_F(EdgeTest, TheOwnerKeyIsMadeOnceAndKeptSecret) {
  Start();
  const OwnerKey first = edge_->owner_key();
  EXPECT_TRUE(first.is_new);
  EXPECT_GE(first.text.size(), 40U);
  struct stat info = {};
  const std::string path = folder_ + "/owner.key";
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const auto again = LoadOwnerKey(folder_);
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->is_new);
  EXPECT_EQ(again->text, first.text);
  ::chmod(path.c_str(), 0644);
  EXPECT_EQ(LoadOwnerKey(folder_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EdgeTest, NoAuthIsForLoopbackOnly) {
  config_.http = "0.0.0.0:0";
  const auto refused = Edge::Make(config_, Parts(true));
  EXPECT_THAT(std::string(StdView(refused.status().message())), HasSubstr("--no-auth is refused"));
  config_.http = "127.0.0.1:0";
  Start(true);
  EXPECT_EQ(StatusOf(Ask("GET", "/api/v1/collections", "")), 200);
  EXPECT_EQ(StatusOf(Ask("GET", "/api/v1/collections", "Authorization: Bearer None\r\n")), 200);
}

TEST_F(EdgeTest, ForeignNamesAreRefusedWhenThereAreNoKeys) {
  Start(true);
  EXPECT_EQ(StatusOf(Ask("GET", "/api/v1/collections", "Host: evil.example\r\n")), 421);
  EXPECT_EQ(StatusOf(Ask("GET", "/", "Host: evil.example:80\r\n")), 421);
  EXPECT_EQ(StatusOf(Ask("GET", "/api/v1/collections", "Host: localhost.evil.example\r\n")), 421);
  EXPECT_EQ(StatusOf(Ask("GET", "/api/v1/collections", "Host: LocalHost:1\r\n")), 200);
  EXPECT_EQ(StatusOf(Ask("GET", "/api/v1/collections", "Host: [::1]:1\r\n")), 200);
}

TEST_F(EdgeTest, PagesOfOthersCannotSpeakForTheUser) {
  Start(true);
  const std::string json = "Content-Type: application/json\r\n";
  const std::string own = StrCat("Origin: http://127.0.0.1:", port(), "\r\n");
  const std::string_view target = "/api/v1/collections";
  EXPECT_EQ(StatusOf(Ask("POST", target, json, "{}")), 200);  // no browser
  EXPECT_EQ(StatusOf(Ask("POST", target, json + own, "{}")), 200);
  EXPECT_EQ(StatusOf(Ask("POST", target, json + "Origin: https://evil.example\r\n", "{}")), 403);
  EXPECT_EQ(StatusOf(Ask("POST", target, json + "Origin: null\r\n", "{}")), 403);
  EXPECT_EQ(StatusOf(Ask("POST", target, json + "Sec-Fetch-Site: cross-site\r\n", "{}")), 403);
  EXPECT_EQ(StatusOf(Ask("DELETE", "/api/v1/collections/x", "Origin: http://localhost\r\n")), 403);
}

TEST_F(EdgeTest, TheOneTimeLinkGivesASession) {
  Start();
  const std::string link = edge_->NewLoginLink();
  const std::string target = link.substr(edge_->url().size());
  const std::string reply = Ask("GET", target, "");
  EXPECT_EQ(StatusOf(reply), 303);
  EXPECT_THAT(reply, HasSubstr("location: /\r\n"));
  EXPECT_THAT(reply, HasSubstr("; HttpOnly; SameSite=Strict;"));
  const std::size_t at = reply.find("tessera_session=");
  ASSERT_NE(at, std::string::npos);
  const std::string cookie =
      StrCat("Cookie: a=b; ", reply.substr(at, reply.find(';', at) - at), "\r\n");
  EXPECT_THAT(Ask("GET", target, ""), HasSubstr("login=expired")) << "the link worked twice";

  EXPECT_EQ(StatusOf(Ask("GET", "/api/v1/collections", cookie)), 200);
  const std::string json = "Content-Type: application/json\r\n";
  const std::string_view post = "/api/v1/collections";
  const std::string own = StrCat("Origin: http://127.0.0.1:", port(), "\r\n");
  EXPECT_EQ(StatusOf(Ask("POST", post, cookie + json + own, "{}")), 200);
  EXPECT_EQ(StatusOf(Ask("POST", post, cookie + json + "Sec-Fetch-Site: same-origin\r\n", "{}")),
            200);
  EXPECT_EQ(StatusOf(Ask("POST", post, cookie + json, "{}")), 403) << "no proof of the origin";
  EXPECT_EQ(StatusOf(Ask("POST", post, cookie + json + "Origin: https://evil.example\r\n", "{}")),
            403);
  EXPECT_EQ(StatusOf(Ask("DELETE", "/api/v1/session", cookie + own)), 204);
  EXPECT_EQ(StatusOf(Ask("GET", "/api/v1/collections", cookie)), 401);
}

TEST_F(EdgeTest, ASessionOutlivesARestart) {
  Start();
  const std::string json = "Content-Type: application/json\r\n";
  const auto sign_in = [&] {
    const std::string reply =
        Ask("POST", "/api/v1/session", json, StrCat("{\"key\":\"", edge_->owner_key().text, "\"}"));
    const std::size_t at = reply.find("tessera_session=");
    EXPECT_NE(at, std::string::npos);
    return reply.substr(at, reply.find(';', at) - at);
  };
  const std::string stays = sign_in();
  const std::string leaves = sign_in();
  const auto status = [this](const std::string& cookie) {
    return StatusOf(Ask("GET", "/api/v1/collections", StrCat("Cookie: ", cookie, "\r\n")));
  };
  const std::string path = folder_ + "/sessions";
  struct stat info = {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const std::string value = stays.substr(stays.find('=') + 1);
  std::ifstream file(path);
  const std::string kept((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(kept, Not(HasSubstr(value))) << "only its digest is kept";

  const std::string own = StrCat("Origin: http://127.0.0.1:", port(), "\r\n");
  EXPECT_EQ(StatusOf(Ask("DELETE", "/api/v1/session", StrCat("Cookie: ", leaves, "\r\n", own))),
            204);
  Restart();
  EXPECT_EQ(status(stays), 200);
  EXPECT_EQ(status(leaves), 401);

  // Who makes a new key means to lock everybody out.
  ASSERT_EQ(::unlink((folder_ + "/owner.key").c_str()), 0);
  Restart();
  EXPECT_EQ(status(stays), 401);
}

TEST(SessionsTest, ProcessesShareThem) {
  const std::string folder = ::testing::TempDir() + "/sessions-" + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(folder.c_str(), 0700), 0);
  const std::string path = folder + "/sessions";
  const std::int64_t later = WallMillis() + 60'000;
  Sessions one(path, {1});
  one.AddLogin({7}, later);
  Sessions two(path, {1}, true);
  for (std::uint8_t i = 0; i < 100; ++i) (i % 2 == 0 ? one : two).Add({10, i}, later);
  for (std::uint8_t i = 0; i < 100; ++i) EXPECT_TRUE(one.Has({10, i}) && two.Has({10, i}));
  two.Remove({10, 0});
  EXPECT_FALSE(one.Has({10, 0}));
  EXPECT_TRUE(two.TakeLogin({7}));
  EXPECT_FALSE(one.TakeLogin({7})) << "a link is good once, wherever";
  one.AddLogin({8}, later);
  Sessions after_a_restart(path, {1});
  EXPECT_TRUE(after_a_restart.Has({10, 1}));
  EXPECT_FALSE(after_a_restart.TakeLogin({8})) << "links end with the platform";
  for (const char* name : {"/sessions", "/sessions.lock"}) ::unlink((folder + name).c_str());
  ::rmdir(folder.c_str());
}

TEST_F(EdgeTest, AnOldSessionEndsWithTheTimeItWasGiven) {
  config_.session_time = std::chrono::seconds(0);
  Start();
  const std::string target = edge_->NewLoginLink().substr(edge_->url().size());
  const std::string reply = Ask("GET", target, "");
  const std::size_t at = reply.find("tessera_session=");
  ASSERT_NE(at, std::string::npos);
  const std::string cookie = reply.substr(at, reply.find(';', at) - at);
  EXPECT_EQ(StatusOf(Ask("GET", "/api/v1/collections", StrCat("Cookie: ", cookie, "\r\n"))), 401);
}

TEST_F(EdgeTest, TheKeyCanBeExchangedForASession) {
  Start();
  const std::string json = "Content-Type: application/json\r\n";
  const std::string good =
      Ask("POST", "/api/v1/session", json, StrCat("{\"key\":\"", edge_->owner_key().text, "\"}"));
  EXPECT_EQ(StatusOf(good), 204);
  EXPECT_THAT(good, HasSubstr("set-cookie: tessera_session="));
  const std::string bad = Ask("POST", "/api/v1/session", json, "{\"key\":\"wrong\"}");
  EXPECT_EQ(StatusOf(bad), 401);
  EXPECT_THAT(bad, Not(HasSubstr("set-cookie")));
  EXPECT_EQ(StatusOf(Ask("POST", "/api/v1/session", json, "{}")), 400);
}

TEST_F(EdgeTest, CorsIsForConfiguredOriginsOnly) {
  config_.cors_origins = {"https://app.example"};
  Start();
  const std::string preflight =
      "Access-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: authorization\r\n";
  const std::string good =
      Ask("OPTIONS", "/api/v1/collections", preflight + "Origin: https://app.example\r\n");
  EXPECT_EQ(StatusOf(good), 204);
  EXPECT_THAT(good, HasSubstr("access-control-allow-origin: https://app.example\r\n"));
  EXPECT_THAT(good, HasSubstr("access-control-allow-headers: authorization\r\n"));
  EXPECT_THAT(good, Not(HasSubstr("allow-credentials")));
  const std::string bad =
      Ask("OPTIONS", "/api/v1/collections", preflight + "Origin: https://evil.example\r\n");
  EXPECT_THAT(bad, Not(HasSubstr("access-control-allow-origin")));
  EXPECT_THAT(Get("/api/v1/collections", "Origin: https://app.example\r\n"),
              HasSubstr("access-control-allow-origin: https://app.example\r\n"));
}

}  // namespace
}  // namespace tessera
