// Parts of gRPC's protocol, each alone: times, encodings, framing.

#include <gtest/gtest.h>

#include "remote/wire_ctx.h"
#include "remote/wire_status.h"

namespace tessera {
namespace {

using namespace std::chrono_literals;

TEST(WireTest, TimeoutsAreReadInEveryUnit) {
  EXPECT_EQ(ParseTimeout("1H"), 1h);
  EXPECT_EQ(ParseTimeout("2M"), 2min);
  EXPECT_EQ(ParseTimeout("30S"), 30s);
  EXPECT_EQ(ParseTimeout("99999999m"), 99999999ms);
  EXPECT_EQ(ParseTimeout("5u"), 5us);
  EXPECT_EQ(ParseTimeout("7n"), 7ns);
  EXPECT_EQ(ParseTimeout("99999999H"), 24h * 365) << "no overflow";
  for (const char* bad : {"", "1", "m", "-1m", "1x", "123456789m", "1.5S", " 1S"}) {
    EXPECT_EQ(ParseTimeout(bad), std::nullopt) << bad;
  }
}

TEST(WireTest, TimeoutsAreWrittenInEightDigits) {
  for (const Duration left : {Duration(1ns), Duration(3ms), Duration(9s), Duration(10s),
                              Duration(23h), Duration(24h * 400), Duration(-5s)}) {
    const std::string text = FormatTimeout(left);
    EXPECT_LE(text.size(), 9u);
    ASSERT_TRUE(ParseTimeout(text).has_value()) << text;
  }
  EXPECT_LE(*ParseTimeout(FormatTimeout(20s)), 20s);
}

TEST(WireTest, MessagesArePercentEncoded) {
  EXPECT_EQ(EncodeMessage(" a b%\n\xC3\xA4~ "), "%20a b%25%0A%C3%A4~%20");
  EXPECT_EQ(EncodeField("a b"), "a%20b");
  EXPECT_EQ(DecodeField("a b%25%0A%C3%A4~"), "a b%\n\xC3\xA4~");
  for (const char* odd : {"%", "%4", "%zz", "100%"}) EXPECT_EQ(DecodeField(odd), odd);
  EXPECT_EQ(DecodeField("%41"), "A");
}

TEST(WireTest, AReplyWithoutAStatusIsAnError) {
  Http2Headers trailers;
  EXPECT_EQ(StatusOfTrailers(trailers).code(), absl::StatusCode::kUnknown);
  trailers.Add("grpc-status", "99");
  EXPECT_EQ(StatusOfTrailers(trailers).code(), absl::StatusCode::kUnknown);
  Http2Headers broken;
  broken.Add("grpc-status", "5");
  broken.Add("grpc-status-details-bin", "!!!");
  EXPECT_EQ(StatusOfTrailers(broken).code(), absl::StatusCode::kNotFound);
}

TEST(WireTest, IdentityIsBelievedOnlyWhereItIsTrusted) {
  Http2Headers headers;
  headers.Add("tessera-principal", "root");
  headers.Add("tessera-scopes", "*");
  EXPECT_EQ(ReadCaller(headers, false)->info->principal.id, "");
  EXPECT_TRUE(ReadCaller(headers, false)->info->principal.scopes.empty());
  EXPECT_EQ(ReadCaller(headers, true)->info->principal.id, "root");
}

}  // namespace
}  // namespace tessera
