// The small formats of HTTP: targets, header values, codings, forms, events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"
#include "net/compress.h"
#include "net/header_values.h"
#include "net/http_headers.h"
#include "net/multipart.h"
#include "net/sse.h"
#include "net/trace_context.h"
#include "net/uri.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

TEST(UriTest, TargetsAreNormalOrRefused) {
  EXPECT_EQ(ParseTarget("/a%20b/%C3%A4?x=%2F")->path, "/a b/ä");
  EXPECT_EQ(ParseTarget("/a?x=%2F")->query, "x=%2F");
  EXPECT_EQ(ParseTarget("http://h/p?q")->path, "/p");
  EXPECT_EQ(ParseTarget("http://h")->path, "/");
  EXPECT_EQ(ParseTarget("/...")->path, "/...");
  for (const char* bad :
       {"",      "a",       "/../a", "/a/..",  "/a/.", "/%2e%2e/a", "/a%2Fb", "/a%5cb",
        "/a\\b", "/a%00",   "/%",    "/%1",    "/%zz", "//a",       "/a//b",  "/\xff",
        "/%ff",  "/%c0%ae", "/a b",  "/a?b#c", "/a#b", "/%0a"}) {
    EXPECT_FALSE(ParseTarget(bad).ok()) << bad;
  }
}

TEST(UriTest, ResolvesLocations) {
  const Url base = *ParseUrl("https://h:444/a/b?c");
  EXPECT_EQ(ResolveUrl(base, "d")->target, "/a/d");
  EXPECT_EQ(ResolveUrl(base, "/d?e")->target, "/d?e");
  EXPECT_EQ(ResolveUrl(base, "?e")->target, "/a/b?e");
  EXPECT_EQ(ResolveUrl(base, "//o/x")->host, "o");
  EXPECT_EQ(ResolveUrl(base, "//o/x")->scheme, "https");
  EXPECT_EQ(ResolveUrl(base, "/d")->port, 444);
  EXPECT_FALSE(ResolveUrl(base, "file:///etc/passwd").ok());
}

TEST(UriTest, ReadsQueries) {
  const auto pairs = ParseQuery("a=1&b=x+y&&c&d=%26");
  EXPECT_THAT(*pairs, ElementsAre(std::pair("a", "1"), std::pair("b", "x y"), std::pair("c", ""),
                                  std::pair("d", "&")));
  EXPECT_FALSE(ParseQuery("a=%").ok());
}

TEST(HeaderValuesTest, WeighsAndMatches) {
  EXPECT_EQ(NegotiateCoding("gzip, br"), Coding::kBrotli);
  EXPECT_EQ(NegotiateCoding("gzip;q=1, br;q=0.5"), Coding::kGzip);
  EXPECT_EQ(NegotiateCoding("*"), Coding::kZstd);
  EXPECT_EQ(NegotiateCoding("*;q=0"), std::nullopt);
  EXPECT_EQ(NegotiateCoding("gzip;q=0"), Coding::kIdentity);
  EXPECT_EQ(NegotiateCoding(""), Coding::kIdentity);
  EXPECT_TRUE(Accepts("", "a/b"));
  EXPECT_TRUE(Accepts("text/*;q=0.1", "text/html"));
  EXPECT_FALSE(Accepts("text/*, text/html;q=0", "text/html"));
  EXPECT_FALSE(Accepts("image/png", "text/html"));
  EXPECT_EQ(Parameter("form-data; name=\"a\\\"b\"; filename=c", "name"), "a\"b");
  EXPECT_EQ(Parameter("x; Boundary=abc", "boundary"), "abc");
  EXPECT_TRUE(MatchesEtag("W/\"a\", \"b\"", "\"a\""));
  EXPECT_FALSE(MatchesEtag("\"ab\"", "\"a\""));
}

TEST(HttpHeadersTest, CannotBeSplit) {
  HttpHeaders headers;
  headers.Add("a", "x\r\nset-cookie: y");
  EXPECT_EQ(headers.wire(), "a: x  set-cookie: y\r\n");
  headers.Add("B", "1");
  headers.Set("b", "2");
  EXPECT_EQ(headers.Count("B"), 1U);
  EXPECT_EQ(headers.Get("b"), "2");
}

TEST(CompressTest, RoundTripsAndNoticesDamage) {
  const std::string text = std::string(200'000, 'a') + "end";
  for (const Coding coding : {Coding::kGzip, Coding::kBrotli, Coding::kZstd}) {
    const std::string small = Compress(coding, text);
    EXPECT_EQ(*Decompress(coding, small, 1 << 20), text) << Name(coding);
    EXPECT_EQ(Decompress(coding, small, 100'000).status().code(),
              absl::StatusCode::kResourceExhausted);
    EXPECT_FALSE(Decompress(coding, small.substr(0, small.size() / 2), 1 << 20).ok());
    EXPECT_FALSE(Decompress(coding, "not compressed at all", 1 << 20).ok());
    Decompressor bytewise(coding, 1 << 20);
    std::string out;
    for (const char c : small) ASSERT_TRUE(bytewise.Feed({&c, 1}, &out).ok());
    EXPECT_TRUE(bytewise.Finish().ok());
    EXPECT_EQ(out, text);
  }
}

TEST(SseTest, WritesLinesAndReadsThemBack) {
  EXPECT_EQ(SseEvent("a\nb"), "data: a\ndata: b\n\n");
  EXPECT_EQ(SseEvent("x", "error"), "event: error\ndata: x\n\n");
  SseReader reader(100);
  ASSERT_TRUE(reader.Feed(": comment\ndata: a\r\nda").ok());
  EXPECT_FALSE(reader.Next());
  ASSERT_TRUE(reader.Feed("ta:b\r\n\r\nevent: e\ndata\n\n").ok());
  EXPECT_EQ(reader.Next()->data, "a\nb");
  EXPECT_EQ(reader.Next()->event, "e");
  ASSERT_TRUE(reader.Feed(std::string(200, 'x')).ok());
  EXPECT_FALSE(reader.Feed("y").ok());
}

TEST(TraceContextTest, TakesOnlyTheStandard) {
  const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto parent = ParseTraceParent(good);
  ASSERT_TRUE(parent);
  EXPECT_TRUE(parent->trace.sampled);
  EXPECT_EQ(FormatTraceParent(parent->trace, parent->span_id), good);
  for (const char* bad : {"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                          "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                          "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                          "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                          "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"}) {
    EXPECT_FALSE(ParseTraceParent(bad)) << bad;
  }
  EXPECT_TRUE(IsRequestId("abc-1"));
  EXPECT_FALSE(IsRequestId("a b"));
  EXPECT_FALSE(IsRequestId(""));
}

}  // namespace
}  // namespace tessera
