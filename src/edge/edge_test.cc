// What the edge does around its handlers, over real sockets.
#include "edge/edge.h"

#include "base/json.h"
#include "edge/test_edge.h"
#include "net/compress.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(EdgeTest, TellsHealth) {
  Start();
  EXPECT_EQ(StatusOf(Ask("GET", "/health/live", "")), 200);
  EXPECT_EQ(StatusOf(Ask("GET", "/health/ready", "")), 200);
  EXPECT_THAT(Get("/metrics"), HasSubstr("tessera_http_requests_total{"));
  EXPECT_THAT(Get("/api/v1/system"), HasSubstr("\"collections\":[{\"name\":\"default\""));
}

TEST_F(EdgeTest, SaysWhatIsWrongAndWhere) {
  Start();
  const std::string_view search = "/api/v1/collections/c/search";
  EXPECT_THAT(Post(search, "{\"query\": \"a\",\n \"limit\" 3}"),
              HasSubstr("bad JSON at line 2, column 10: expected ':'"));
  const std::string unknown = Post(search, R"({"query":"a","limt":3})");
  EXPECT_EQ(StatusOf(unknown), 400);
  EXPECT_THAT(unknown, HasSubstr("application/problem+json"));
  EXPECT_THAT(unknown, HasSubstr(R"("errors":[{"field":"limt","message":"is not a known field; )"
                                 R"(did you mean \"limit\"?"}])"));
  EXPECT_THAT(Post(search, R"({"limit":"many"})"), HasSubstr("must be a whole number from 0"));
  EXPECT_THAT(Post(search, R"({"limit":-1})"), HasSubstr("must be a whole number from 0"));
  EXPECT_THAT(Post(search, R"({"mode":"best"})"), HasSubstr("one of hybrid, bm25, vector"));
  EXPECT_THAT(Post(search, R"({"filter":{"group":{"filters":[{"comparison":{"kei":"a"}}]}}})"),
              HasSubstr("filter.group.filters[0].comparison.kei"));
  EXPECT_THAT(Post(search, R"({"query":"a","query":"b"})"), HasSubstr("more than once"));
  EXPECT_THAT(Post(search, "[]"), HasSubstr("must be an object, is a list"));
  EXPECT_THAT(Get("/api/v1/collections/c/documents?limit=x"), HasSubstr("whole number"));
  EXPECT_THAT(Get("/api/v1/collections/c/documents?limti=1"),
              HasSubstr("did you mean \\\"limit\\\"?"));
}

TEST_F(EdgeTest, AnswersInTheShapeOfTheApi) {
  Start();
  EXPECT_THAT(BodyOf(Post("/openai", "{}")),
              R"({"error":{"message":"messages[0].role: must be one of user, system",)"
              R"("type":"invalid_request_error","param":"messages[0].role","code":null}})");
  const std::string opea = Post("/opea", "{}");
  EXPECT_EQ(StatusOf(opea), 422);
  EXPECT_EQ(BodyOf(opea), R"({"detail":[{"type":"value_error","loc":["body","messages",0,"role"],)"
                          R"("msg":"must be one of user, system"}]})");
  EXPECT_THAT(Ask("POST", "/openai", ""), HasSubstr("\"code\":\"invalid_api_key\""));
  EXPECT_THAT(Get("/v1/nothing"), HasSubstr("{\"error\":{"));
}

TEST_F(EdgeTest, RefusesByStatus) {
  Start();
  EXPECT_EQ(StatusOf(Get("/api/v1/nothing")), 404);
  const std::string method = Ask("DELETE", "/api/v1/collections", Key());
  EXPECT_EQ(StatusOf(method), 405);
  EXPECT_THAT(method, HasSubstr("allow: POST, GET, HEAD, OPTIONS\r\n"));
  EXPECT_EQ(StatusOf(Ask("POST", "/api/v1/collections", StrCat(Key(), "Content-Type: text/xml\r\n"),
                         "<a/>")),
            415);
  EXPECT_EQ(StatusOf(Get("/api/v1/collections", "Accept: image/png\r\n")), 406);
  EXPECT_EQ(StatusOf(Get("/api/v1/collections", "Accept: text/html, */*;q=0.1\r\n")), 200);
  EXPECT_EQ(StatusOf(Post("/api/v1/collections", std::string(5 << 20, ' '))), 413);
  EXPECT_EQ(StatusOf(Get("/api/v1/collections/nobody")), 404);
  const std::string inside = Get("/api/v1/collections/inside");
  EXPECT_EQ(StatusOf(inside), 500);
  EXPECT_THAT(inside, Not(HasSubstr("secret detail")));
}

TEST_F(EdgeTest, RestFillsAndWritesMessages) {
  Start();
  const std::string reply =
      Post("/api/v1/collections/my-docs/search",
           R"({"query":"q","limit":3,"mode":"bm25","vector":[1,2.5],"score_threshold":0.25,)"
           R"("filter":{"comparison":{"key":"name","op":"in","values":["a","b"]}}})");
  EXPECT_EQ(StatusOf(reply), 200) << reply;
  EXPECT_EQ(retrieval_.search.collection(), "my-docs");
  EXPECT_EQ(retrieval_.search.mode(), v1::SEARCH_MODE_BM25);
  EXPECT_EQ(retrieval_.search.vector_size(), 2);
  EXPECT_FLOAT_EQ(retrieval_.search.score_threshold(), 0.25F);
  EXPECT_FALSE(retrieval_.search.has_mmr_lambda());
  EXPECT_EQ(retrieval_.search.filter().comparison().values_size(), 2);
  EXPECT_THAT(reply, HasSubstr("\"bytes\":1152921504606846976"));
  EXPECT_THAT(reply, HasSubstr(R"("text":"päge \"one\"\n")"));
  EXPECT_THAT(reply, Not(HasSubstr("\"vector\""))) << "a passage comes without its vector";
  EXPECT_THAT(Get("/api/v1/collections/a%20b/documents?limit=2"), HasSubstr("\"name\":\"a b 1\""));
  EXPECT_THAT(Ask("POST", "/api/v1/jobs/7/cancel", Key()), HasSubstr("\"state\":\"cancelled\""));
}

TEST_F(EdgeTest, StreamsAreEvents) {
  Start();
  const std::string reply = Get("/api/v1/jobs/j/events");
  EXPECT_THAT(reply, HasSubstr("content-type: text/event-stream"));
  const std::string events = Dechunk(BodyOf(reply));
  EXPECT_THAT(events, HasSubstr("data: {\"id\":\"j\""));
  EXPECT_EQ(std::count(events.begin(), events.end(), '\n'), 6);
  EXPECT_THAT(Dechunk(BodyOf(Get("/api/v1/jobs/broken/events"))),
              HasSubstr("event: error\ndata: {\"type\":\"about:blank\""));
}

TEST_F(EdgeTest, CompressesWhatTheClientTakes) {
  Start();
  const std::string_view target = "/api/v1/collections/c/documents?limit=200";
  const std::string plain = BodyOf(Get(target));
  for (const auto& [name, coding] :
       {std::pair("gzip", Coding::kGzip), {"br", Coding::kBrotli}, {"zstd", Coding::kZstd}}) {
    const std::string reply = Get(target, StrCat("Accept-Encoding: ", name, "\r\n"));
    EXPECT_THAT(reply, HasSubstr(StrCat("content-encoding: ", name, "\r\n")));
    EXPECT_THAT(reply, HasSubstr("vary: accept-encoding\r\n"));
    EXPECT_LT(BodyOf(reply).size(), plain.size() / 5);
    EXPECT_EQ(*Decompress(coding, BodyOf(reply), 1 << 24), plain);
  }
  EXPECT_THAT(Get(target, "Accept-Encoding: gzip;q=0, identity\r\n"),
              Not(HasSubstr("content-encoding")));
  EXPECT_THAT(Get("/health/live", "Accept-Encoding: gzip\r\n"), Not(HasSubstr("content-encoding")));
}

TEST_F(EdgeTest, UploadsGoToDiskAndIntoAJob) {
  Start();
  const std::string big(300'000, 'q');
  const std::string reply = PostForm(
      {"Content-Disposition: form-data; name=\"files\"; filename=\"C:\\docs\\a.txt\"\r\n"
       "Content-Type: text/plain\r\n\r\nhello\r\n--c\r\n",
       StrCat("Content-Disposition: form-data; name=\"files\"; filename=\"b\"\r\n\r\n", big),
       "Content-Disposition: form-data; name=\"files\"; filename=\"empty\"\r\n\r\n",
       "Content-Disposition: form-data; name=\"links\"\r\n\r\n[\"https://example.com/x\"]"});
  EXPECT_EQ(StatusOf(reply), 202) << reply;
  EXPECT_THAT(reply, HasSubstr("location: /api/v1/jobs/job-1\r\n"));
  EXPECT_THAT(reply, HasSubstr("\"state\":\"queued\""));
  EXPECT_EQ(dataprep_.ingest.collection(), "c");
  ASSERT_EQ(dataprep_.ingest.sources_size(), 4);
  EXPECT_EQ(dataprep_.ingest.sources(0).url(), "https://example.com/x");
  EXPECT_EQ(dataprep_.ingest.sources(1).name(), "a.txt");
  EXPECT_TRUE(dataprep_.ingest.sources(1).spooled());
  EXPECT_THAT(dataprep_.contents, ElementsAre("", "hello\r\n--c\r\n", big, ""));
}

TEST_F(EdgeTest, BrokenUploadsLeaveNothingBehind) {
  Start();
  const std::string file =
      "Content-Disposition: form-data; name=\"files\"; filename=\"a\"\r\n\r\nx";
  const auto spooled = [this] {
    return std::distance(std::filesystem::directory_iterator(folder_ + "/tmp"), {});
  };
  EXPECT_EQ(StatusOf(PostForm({file}, "--b")), 400);  // cut short
  EXPECT_EQ(StatusOf(PostForm({file}, "")), 400);     // no end at all
  EXPECT_EQ(StatusOf(PostForm({"No-Colon\r\n\r\nx"})), 400);
  EXPECT_EQ(StatusOf(PostForm({"A: b\r\n\r\nx"})), 400);  // no disposition
  EXPECT_EQ(StatusOf(PostForm({})), 400);                 // nothing to ingest
  EXPECT_EQ(StatusOf(PostForm({file, "Content-Disposition: form-data; name=\"what\"\r\n\r\nx"})),
            400);
  EXPECT_EQ(StatusOf(PostForm({file, "Content-Disposition: form-data; name=\"links\"\r\n\r\n[1]"})),
            400);
  EXPECT_EQ(StatusOf(Ask("POST", "/api/v1/collections/c/documents",
                         StrCat(Key(), "Content-Type: multipart/form-data\r\n"), "x")),
            400);
  EXPECT_EQ(spooled(), 0);
  dataprep_.refusal = WithRetryAfter(absl::ResourceExhaustedError("too many jobs"), 7);
  const std::string refused = PostForm({file});
  EXPECT_EQ(StatusOf(refused), 429);
  EXPECT_THAT(refused, HasSubstr("retry-after: 7\r\n"));
  EXPECT_EQ(spooled(), 0);
  {
    // A client that leaves in the middle of its upload.
    RawClient client(port());
    client.Send(StrCat("POST /api/v1/collections/c/documents HTTP/1.1\r\n", Host(), Key(),
                       "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 999999\r\n"
                       "\r\n--b\r\n",
                       file));
  }
  EXPECT_TRUE(SyncWait(edge_->Drain(Ctx().WithTimeout(std::chrono::seconds(10)))).ok());
  EXPECT_EQ(spooled(), 0);
}

TEST_F(EdgeTest, OriginalsComeInRanges) {
  Start();
  const std::string_view target = "/api/v1/documents/d/original";
  const std::string whole = Get(target);
  EXPECT_EQ(StatusOf(whole), 200);
  EXPECT_EQ(BodyOf(whole), "0123456789");
  EXPECT_THAT(whole, HasSubstr("content-disposition: inline; filename*=UTF-8''n%C3%A4me.pdf\r\n"));
  EXPECT_THAT(whole, HasSubstr("x-content-type-options: nosniff\r\n"));
  EXPECT_THAT(whole, HasSubstr("content-security-policy: sandbox"));
  struct Case {
    const char* range;
    int status;
    const char* body;
  };
  for (const Case& c :
       {Case{"bytes=2-4", 206, "234"}, Case{"bytes=7-", 206, "789"}, Case{"bytes=-3", 206, "789"},
        Case{"bytes=0-999", 206, "0123456789"}, Case{"bytes=10-", 416, ""},
        Case{"bytes=-0", 416, ""}, Case{"bytes=4-2", 200, "0123456789"},
        Case{"bytes=a-b", 200, "0123456789"}, Case{"bytes=0-1,3-4", 200, "0123456789"},
        Case{"chapters=1-2", 200, "0123456789"}}) {
    const std::string reply = Get(target, StrCat("Range: ", c.range, "\r\n"));
    EXPECT_EQ(StatusOf(reply), c.status) << c.range;
    EXPECT_EQ(BodyOf(reply), c.body) << c.range;
  }
  EXPECT_THAT(Get(target, "Range: bytes=2-4\r\n"), HasSubstr("content-range: bytes 2-4/10\r\n"));
  EXPECT_EQ(StatusOf(Get(target, "Range: bytes=2-4\r\nIf-Range: \"abc\"\r\n")), 206);
  EXPECT_EQ(StatusOf(Get(target, "Range: bytes=2-4\r\nIf-Range: \"old\"\r\n")), 200);
  EXPECT_EQ(StatusOf(Get(target, "If-None-Match: \"abc\"\r\n")), 304);
  const std::string page = Get("/api/v1/documents/page/original");
  EXPECT_THAT(page, HasSubstr("content-disposition: attachment"));
  EXPECT_THAT(page, HasSubstr("content-type: application/octet-stream"));
}

TEST_F(EdgeTest, BoundsWhatRunsAtOnce) {
  config_.in_flight_max = 3;
  Start();
  const std::string request = StrCat("GET /hold HTTP/1.1\r\n", Host(), Key(), "\r\n");
  RawClient first(port());
  RawClient second(port());
  ASSERT_TRUE(first.Send(request));
  ASSERT_TRUE(second.Send(request));
  ASSERT_TRUE(WaitForHeld(2));
  const std::string third = Get("/hold");
  EXPECT_EQ(StatusOf(third), 429);
  EXPECT_THAT(third, HasSubstr("retry-after: 1\r\n"));
  EXPECT_EQ(StatusOf(Get("/api/v1/collections")), 200);
  ReleaseHeld();
  EXPECT_EQ(BodyOf(first.ReadReply()), "released");
  EXPECT_EQ(BodyOf(second.ReadReply()), "released");
  EXPECT_EQ(
      StatusOf(first.Ask(StrCat("GET /api/v1/collections HTTP/1.1\r\n", Host(), Key(), "\r\n"))),
      200);
}

TEST_F(EdgeTest, RefusesMoreThanAllInFlight) {
  config_.in_flight_max = 1;
  Start();
  RawClient first(port());
  ASSERT_TRUE(first.Send(StrCat("GET /hold HTTP/1.1\r\n", Host(), Key(), "\r\n")));
  ASSERT_TRUE(WaitForHeld(1));
  EXPECT_EQ(StatusOf(Get("/api/v1/collections")), 503);
  EXPECT_EQ(StatusOf(Ask("GET", "/health/ready", "")), 200);
}

TEST_F(EdgeTest, OpenApiDescribesEveryRoute) {
  Start();
  const auto document = JsonDocument::Parse(BodyOf(Get("/openapi.json")));
  ASSERT_TRUE(document.ok()) << document.status();
  const auto paths = document->root().Find("paths");
  ASSERT_TRUE(paths);
  for (const auto& route : edge_->served().all()) {
    std::string path = route->pattern;
    std::erase(path, '*');
    const auto operations = paths->Find(path);
    ASSERT_TRUE(operations) << path;
    const auto operation = operations->Find(ToLower(Name(route->method)));
    ASSERT_TRUE(operation) << path;
    EXPECT_FALSE(operation->Find("summary")->AsString()->empty()) << path;
  }
  const auto schemas = document->root().Find("components")->Find("schemas");
  EXPECT_TRUE(schemas->Find("SearchRequest"));
  EXPECT_TRUE(schemas->Find("Filter_Comparison"));
}

TEST_F(EdgeTest, ServesThePage) {
  Start();
  const std::string page = Ask("GET", "/", "Accept: text/html\r\n");
  EXPECT_EQ(StatusOf(page), 200);
  EXPECT_THAT(page, HasSubstr("content-security-policy: default-src 'self'"));
  EXPECT_EQ(BodyOf(Ask("GET", "/documents/file-1?chunk=3", "")), BodyOf(page));
  EXPECT_EQ(StatusOf(Ask("GET", "/favicon-missing.ico", "")), 404);
  const std::size_t at = page.find("etag: ");
  const std::string etag = page.substr(at + 6, page.find('\r', at) - at - 6);
  EXPECT_EQ(StatusOf(Ask("GET", "/", StrCat("If-None-Match: ", etag, "\r\n"))), 304);
}

TEST(ListenAddressTest, IsTakenApart) {
  EXPECT_EQ(ParseListenAddress("127.0.0.1:80")->port, 80);
  EXPECT_TRUE(ParseListenAddress("localhost:0")->is_loopback);
  EXPECT_TRUE(ParseListenAddress("[::1]:8080")->is_loopback);
  EXPECT_FALSE(ParseListenAddress("0.0.0.0:1")->is_loopback);
  for (const char* bad : {"", "8080", "x:", "x:99999", "x:1a", ":"}) {
    EXPECT_FALSE(ParseListenAddress(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace tessera
