#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include "edge/proxy/proxy_routes.h"
#include "edge/proxy/test_upstream.h"
#include "edge/test_edge.h"
#include "flags/flags.h"
#include "runtime/timer.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRoute[] = "POST /api/v1/collections/{collection}/search";
constexpr char kPath[] = "/api/v1/collections/c/search";

class ProxyTest : public EdgeTest {
 protected:
  void TearDown() override {
    EdgeTest::TearDown();
    if (proxies_)
      EXPECT_TRUE(SyncWait(proxies_->Stop(Ctx().WithTimeout(std::chrono::seconds(10)))).ok());
    ForgetFlags();
  }

  Status Install(std::vector<ProxyRouteConfig> routes) {
    ProxyConfig config;
    config.routes = std::move(routes);
    config.reply_bytes_max = Bytes{64 << 10};
    auto made = Edge::Make(config_, Parts(false));
    if (!made.ok()) return made.status();
    edge_ = *std::move(made);
    bindings_ = Parts(false).bindings;
    AddTestRoutes();
    auto installed = ProxyRoutes::Install(
        config,
        {.routes = &edge_->routes(), .bindings = &bindings_, .loops = &loops_, .executor = &pool_});
    if (installed.ok()) proxies_ = *std::move(installed);
    const Status started = edge_->Start();
    return installed.ok() ? started : installed.status();
  }

  ProxyTargetConfig Own(std::uint32_t weight = 1) { return {.name = "own", .weight = weight}; }
  ProxyTargetConfig Other(std::uint32_t weight = 1) {
    return {.name = "other", .http = upstream_.Url("/search"), .weight = weight};
  }
  std::string Search(std::string_view headers = {}) {
    return Post(kPath, R"({"query":"q"})", headers);
  }
  // GET /admin/v1/mirrors once `count` copies have come to an end.
  std::string Mirrors(std::uint64_t count) {
    for (int i = 0; i < 2000; ++i) {
      const std::string reply = BodyOf(Get("/admin/v1/mirrors"));
      const auto document = JsonDocument::Parse(reply);
      std::uint64_t ended = 0;
      const JsonValue mirror = document->root().Find("mirrors")->Elements().front();
      for (const char* name : {"same", "different", "failed", "not_compared"})
        ended += *mirror.Find(name)->AsUint();
      if (ended >= count) return reply;
      const Status ignored = SyncWait(SleepFor(Ctx(), std::chrono::milliseconds(5)));
    }
    ADD_FAILURE() << "the copies did not end";
    return "";
  }

  TestUpstream upstream_;
  std::vector<MethodBinding> bindings_;
  std::unique_ptr<ProxyRoutes> proxies_;
};

TEST_F(ProxyTest, WeightsSplit) {
  ASSERT_TRUE(Install({{.route = kRoute, .targets = {Own(3), Other(1)}}}).ok());
  constexpr int kRequests = 400;
  int own = 0;
  for (int i = 0; i < kRequests; ++i) {
    const std::string reply = Search();
    ASSERT_EQ(StatusOf(reply), 200) << reply;
    own += reply.find("hits") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(upstream_.seen().size(), static_cast<std::size_t>(kRequests - own));
  EXPECT_NEAR(own, 300, 52) << "six standard deviations";
}

v1::SetFlagsRequest Choosing(std::uint64_t version, const std::string& variant) {
  v1::SetFlagsRequest flags;
  flags.set_version(version);
  flags.add_headers("x-canary");
  v1::Flag& flag = *flags.add_flags();
  flag.set_key("search-target");
  flag.set_type(v1::FLAG_TYPE_STRING);
  for (const char* name : {"own", "other"}) (*flag.mutable_variants())[name] = name;
  flag.set_default_variant(variant);
  v1::FlagRule& rule = *flag.add_rules();
  (*rule.mutable_headers())["x-canary"] = "yes";
  rule.set_variant("other");
  return flags;
}

TEST_F(ProxyTest, AFlagChoosesAtOnce) {
  ProxyRouteConfig route{.route = kRoute, .targets = {Own(), Other(0)}, .flag = "search-target"};
  ASSERT_TRUE(Install({route}).ok());
  EXPECT_THAT(Search(), HasSubstr("hits")) << "no such flag: the weights";
  for (std::uint64_t i = 1; i <= 10; ++i) {
    const bool own = i % 2 == 0;
    SetCurrentFlags(*FlagSet::Make(Choosing(i, own ? "own" : "other")));
    EXPECT_EQ(Search().find("hits") != std::string::npos, own) << i;
  }
  EXPECT_THAT(Search("X-Canary: yes\r\n"), Not(HasSubstr("hits"))) << "by header";
  EXPECT_THAT(Search("X-Canary: no\r\n"), HasSubstr("hits"));
}

TEST_F(ProxyTest, RequestsAndRepliesAreReshaped) {
  ProxyTargetConfig other = Other();
  other.http = upstream_.Url("/v2/{collection}/search");
  other.request.map = {{.from = "/query", .to = "/inputs/text"},
                       {.to = "/inputs/mode", .value = "\"fast\""},
                       {.from = "/limit", .to = "/k", .default_value = "5"}};
  other.request.keep_rest = false;
  other.reply.map = {{.from = "/docs/*/body", .to = "/hits/*/chunk/text"}};
  other.reply.remove = {"/debug"};
  ASSERT_TRUE(Install({{.route = kRoute, .targets = {other}}}).ok());
  upstream_.Answer([](const HttpRequest&) {
    return HttpReply::Json(200, R"({"docs":[{"body":"a"},{"body":"b"}],"debug":1,"took":2})");
  });
  const std::string reply =
      Post(StrCat(kPath, "?trace=1"), R"({"query":"q","extra":1})", "X-Request-Id: mine-1\r\n");
  EXPECT_EQ(BodyOf(reply),
            R"({"docs":[{},{}],"took":2,"hits":[{"chunk":{"text":"a"}},{"chunk":{"text":"b"}}]})");
  const TestUpstream::Seen seen = upstream_.seen().front();
  EXPECT_EQ(seen.path, "/v2/c/search");
  EXPECT_EQ(seen.query, "trace=1");
  EXPECT_EQ(seen.body, R"({"inputs":{"text":"q","mode":"fast"},"k":5})");
  EXPECT_EQ(seen.request_id, "mine-1");
  EXPECT_FALSE(seen.traceparent.empty());
  EXPECT_EQ(seen.authorization, "") << "the caller's key is not for others";
  EXPECT_THAT(reply, HasSubstr("x-request-id: mine-1"));
}

TEST_F(ProxyTest, AnotherMethodAnswers) {
  ProxyTargetConfig method{.name = "get", .method = "tessera.v1.Retrieval.CreateCollection"};
  method.request.map = {{.from = "/query", .to = "/name"}};
  method.request.keep_rest = false;
  ASSERT_TRUE(Install({{.route = kRoute, .targets = {method}}}).ok());
  const std::string reply = Search();
  EXPECT_EQ(StatusOf(reply), 200);
  EXPECT_THAT(reply, HasSubstr("\"name\":\"q\""));
}

TEST_F(ProxyTest, AMirrorComparesAndReports) {
  ProxyTargetConfig other = Other(0);
  ProxyRouteConfig route{.route = kRoute, .targets = {Own(), other}};
  route.mirror = MirrorConfig{.target = "other", .ignore = {"/took", "/hits/*/bm25"}};
  ASSERT_TRUE(Install({route}).ok());
  const std::string original = BodyOf(Search());
  EXPECT_THAT(Mirrors(1), HasSubstr("\"different\":1"));
  upstream_.Answer([original](const HttpRequest&) {
    std::string same = original;
    same.pop_back();
    return HttpReply::Json(200, same + ",\"took\":3}");
  });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(BodyOf(Search()), original);
  EXPECT_THAT(Mirrors(6), HasSubstr("\"same\":5"));
  upstream_.Answer([original](const HttpRequest&) {
    std::string other_score = original;
    other_score.replace(other_score.find("0.5"), 3, "0.6");
    return HttpReply::Json(200, other_score);
  });
  EXPECT_EQ(BodyOf(Post(kPath, R"({"query":"q"})", "X-Request-Id: differs\r\n")), original);
  const std::string differing = Mirrors(7);
  EXPECT_THAT(differing, HasSubstr(R"("request_id":"differs")"));
  EXPECT_THAT(differing, HasSubstr(R"("fields":["/hits/0/score"])"));
  upstream_.Answer([](const HttpRequest&) { return HttpReply::Text(500, "broken"); });
  EXPECT_EQ(BodyOf(Search()), original);
  EXPECT_THAT(Mirrors(8), HasSubstr(R"("mirrored_status":500)"));
  upstream_.Stop();
  EXPECT_EQ(BodyOf(Search()), original);
  EXPECT_THAT(Mirrors(9), HasSubstr(R"("failed":1)"));
}

TEST_F(ProxyTest, AMirrorThatHangsDisturbsNobody) {
  ProxyTargetConfig hangs = Other(0);
  hangs.http = upstream_.Url("/never");
  ProxyRouteConfig route{.route = kRoute, .targets = {Own(), hangs}};
  route.mirror = MirrorConfig{.target = "other", .in_flight_max = 3};
  ASSERT_TRUE(Install({route}).ok());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(StatusOf(Search()), 200);
  const std::string mirrors = BodyOf(Get("/admin/v1/mirrors"));
  EXPECT_THAT(mirrors, HasSubstr("\"in_flight\":3"));
  EXPECT_THAT(mirrors, HasSubstr("\"skipped\":7"));
}

/// One event, and the next when it is told.
class SteppedEvents final : public Stream<std::string> {
 public:
  explicit SteppedEvents(std::shared_ptr<std::atomic<bool>> go) : go_(std::move(go)) {}
  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    if (++count_ == 3) co_return std::nullopt;
    while (count_ == 2 && !*go_) CO_TRY(co_await SleepFor(ctx, std::chrono::milliseconds(2)));
    co_return std::optional<std::string>(StrCat("data: ", count_, "\n\n"));
  }

 private:
  const std::shared_ptr<std::atomic<bool>> go_;
  int count_ = 0;
};

TEST_F(ProxyTest, StreamsComeAsTheyAreSent) {
  ASSERT_TRUE(Install({{.route = kRoute, .targets = {Other()}}}).ok());
  const auto go = std::make_shared<std::atomic<bool>>(false);
  upstream_.Answer([go](const HttpRequest&) {
    return HttpReply::EventStream(std::make_unique<SteppedEvents>(go));
  });
  RawClient client(port());
  const std::string body = R"({"query":"q"})";
  client.Send(StrCat("POST ", kPath, " HTTP/1.1\r\n", Host(), Key(),
                     "Connection: close\r\nContent-Type: application/json\r\nContent-Length: ",
                     body.size(), "\r\n\r\n", body));
  EXPECT_THAT(client.ReadUntil("data: 1\n\n"), HasSubstr("text/event-stream"));
  *go = true;
  EXPECT_THAT(client.ReadToEnd(), HasSubstr("data: 2\n\n"));
}

TEST_F(ProxyTest, WhoAnswersChangesWhileRequestsAreUnderWay) {
  ASSERT_TRUE(Install({{.route = kRoute, .targets = {Own()}}}).ok());
  EXPECT_THAT(Search(), Not(HasSubstr("theirs")));
  const auto go = std::make_shared<std::atomic<bool>>(false);
  upstream_.Answer([go](const HttpRequest& request) {
    if (request.body.find("stream") == std::string::npos)
      return HttpReply::Json(200, R"({"theirs":1})");
    return HttpReply::EventStream(std::make_unique<SteppedEvents>(go));
  });
  ProxyRouteConfig wrong{.route = "GET /nothing", .targets = {Own()}};
  EXPECT_TRUE(absl::IsInvalidArgument(proxies_->Check({wrong})));
  ASSERT_TRUE(
      absl::IsInvalidArgument(proxies_->Follow({{.route = kRoute, .targets = {Other()}}, wrong})));
  EXPECT_THAT(Search(), Not(HasSubstr("theirs"))) << "all of it or nothing";

  ASSERT_TRUE(proxies_->Follow({{.route = kRoute, .targets = {Other()}}}).ok());
  EXPECT_THAT(Search(), HasSubstr("theirs"));
  RawClient client(port());
  const std::string body = R"({"query":"stream"})";
  client.Send(StrCat("POST ", kPath, " HTTP/1.1\r\n", Host(), Key(),
                     "Connection: close\r\nContent-Type: application/json\r\nContent-Length: ",
                     body.size(), "\r\n\r\n", body));
  EXPECT_THAT(client.ReadUntil("data: 1\n\n"), HasSubstr("text/event-stream"));
  ASSERT_TRUE(proxies_->Follow({}).ok());
  EXPECT_THAT(Search(), Not(HasSubstr("theirs"))) << "the configuration's route again";
  *go = true;
  EXPECT_THAT(client.ReadToEnd(), HasSubstr("data: 2\n\n")) << "the stream ends where it began";
}

// Requests go on all the time while a route goes back and forth, with a mirror: none fails.
TEST_F(ProxyTest, NoRequestFailsWhileARouteGoesBackAndForth) {
  ASSERT_TRUE(Install({}).ok());
  ProxyRouteConfig theirs{.route = kRoute, .targets = {Other(), Own(0)}};
  theirs.mirror = MirrorConfig{.target = "own"};
  upstream_.Answer([](const HttpRequest&) { return HttpReply::Json(200, R"({"theirs":1})"); });
  std::atomic<bool> stop = false;
  std::atomic<int> theirs_seen = 0;
  std::atomic<int> own_seen = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      while (!stop) {
        const std::string reply = Search();
        ASSERT_EQ(StatusOf(reply), 200) << reply;
        ++(reply.find("theirs") == std::string::npos ? own_seen : theirs_seen);
      }
    });
  }
  for (int i = 0; i < 200 || theirs_seen < 20 || own_seen < 20; ++i) {
    ASSERT_TRUE(
        proxies_->Follow(i % 2 == 0 ? std::vector{theirs} : std::vector<ProxyRouteConfig>()).ok());
    const Status ignored = SyncWait(SleepFor(Ctx(), std::chrono::milliseconds(1)));
    if (HasFailure()) break;
  }
  stop = true;
  for (std::thread& client : clients) client.join();
}

TEST_F(ProxyTest, FaultsOfTargetsAreTold) {
  ProxyTargetConfig other = Other();
  other.timeout = std::chrono::milliseconds(200);
  other.reply.map = {{.from = "/a", .to = "/b/c"}, {.from = "/d", .to = "/b"}};
  ASSERT_TRUE(Install({{.route = kRoute, .targets = {other}}}).ok());
  upstream_.Answer([](const HttpRequest&) { return HttpReply::Json(422, R"({"detail":"no"})"); });
  EXPECT_EQ(StatusOf(Search()), 422) << "an error of the target's own";
  upstream_.Answer([](const HttpRequest&) {
    return HttpReply::Json(200, StrCat("\"", std::string(100 << 10, 'x'), "\""));
  });
  const std::string too_much = Search();
  EXPECT_EQ(StatusOf(too_much), 502);
  EXPECT_THAT(too_much, HasSubstr("says too much"));
  upstream_.Answer([](const HttpRequest&) { return HttpReply::Json(200, "{no json"); });
  EXPECT_EQ(StatusOf(Search()), 502);
  upstream_.Stop();
  const std::string down = Search();
  EXPECT_EQ(StatusOf(down), 502);
  EXPECT_THAT(down, HasSubstr("\\\"other\\\" of this route cannot be reached"));
  EXPECT_THAT(down, Not(HasSubstr("127.0.0.1"))) << "where it is, is nobody's business";
}

TEST(JsonTreeTest, DocumentsAreComparedByWhatTheySay) {
  const auto differences = [](const char* a, const char* b) {
    return Differences(*JsonTree::Parse(a), *JsonTree::Parse(b), 3);
  };
  EXPECT_THAT(differences(R"({"a":1,"b":[1.0,null]})", R"({"b":[1,null],"a":1e0})"), ElementsAre());
  EXPECT_THAT(differences(R"({"a":1,"x/y":{"~":2}})", R"({"a":"1","x/y":{"~":3},"c":0})"),
              ElementsAre("/a", "/x~1y/~0", "/c"));
  EXPECT_THAT(differences("[1,2]", "[1]"), ElementsAre(""));
  EXPECT_THAT(differences("[1,2,3,4]", "[0,0,0,0]"), ElementsAre("/0", "/1", "/2"));
  EXPECT_THAT(differences(R"({"a":1,"a":2})", R"({"a":1})"), ElementsAre());
  std::string huge = "{\"a\":0";
  for (int i = 0; i < 5000; ++i) StrAppend(&huge, ",\"", i, "\":0");
  EXPECT_FALSE(JsonTree::Parse(huge + "}").ok()) << "larger than anything that is compared";
}

TEST_F(ProxyTest, MistakesOfAConfigurationAreTold) {
  const auto fault = [this](ProxyRouteConfig route) {
    const Status status = Install({std::move(route)});
    EXPECT_TRUE(SyncWait(edge_->Drain(Ctx().WithTimeout(std::chrono::seconds(10)))).ok());
    edge_.reset();
    return std::string(status.message());
  };
  EXPECT_THAT(fault({.route = "GET /nothing", .targets = {Own()}}), HasSubstr("no such route"));
  EXPECT_THAT(fault({.route = kRoute, .targets = {Own(), Own()}}), HasSubstr("two targets"));
  EXPECT_THAT(fault({.route = kRoute, .targets = {Own(0)}}), HasSubstr("weight above 0"));
  EXPECT_THAT(fault({.route = kRoute, .targets = {{.name = "x", .method = "tessera.v1.No.No"}}}),
              HasSubstr("there is no method"));
  ProxyTargetConfig shapeless = Other();
  shapeless.request.map = {{.from = "/a/*", .to = "/b"}};
  EXPECT_THAT(fault({.route = kRoute, .targets = {shapeless}}), HasSubstr("as many \"*\""));
  ProxyRouteConfig mirrored{.route = kRoute, .targets = {Own()}};
  mirrored.mirror = MirrorConfig{.target = "nobody"};
  EXPECT_THAT(fault(mirrored), HasSubstr("no target \"nobody\""));
}

}  // namespace
}  // namespace tessera
