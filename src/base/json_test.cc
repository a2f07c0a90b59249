#include "base/json.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_rows.h"
#include "base/json_writer.h"
#include "base/str.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(std::string text) {
  const auto document = JsonDocument::Parse(std::move(text));
  return std::string(StdView(document.status().message()));
}

TEST(JsonWriterTest, ALargeNumberIsReadBack) {
  for (const double value : {18844440769744073260.57, -1e19, 1.7e308, 1e18, 999999999999999872.0}) {
    JsonWriter json;
    json.Value(value);
    const auto read = JsonDocument::Parse(std::string(json.text()));
    ASSERT_TRUE(read.ok()) << json.text();
    EXPECT_EQ(read->root().AsDouble(), value) << json.text();
  }
}

TEST(JsonTest, SaysWhereATextStopsBeingJson) {
  EXPECT_THAT(ErrorOf("{\n  \"a\": 1,\n}"), HasSubstr("line 3, column 1: expected a name in"));
  EXPECT_THAT(ErrorOf("{\"ä\" 1}"), HasSubstr("line 1, column 6: expected ':'"));
  EXPECT_THAT(ErrorOf("[1 2]"), HasSubstr("column 4: expected ',' or ']'"));
  EXPECT_THAT(ErrorOf("[1,"), HasSubstr("found the end of the text"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("empty"));
  EXPECT_THAT(ErrorOf("{'a':1}"), HasSubstr("a name in double quotes"));
  EXPECT_THAT(ErrorOf("[01]"), HasSubstr("leading 0"));
  EXPECT_THAT(ErrorOf(std::string(100, '[')), HasSubstr("at most 64"));
}

TEST(JsonTest, ReadsFieldsAndNotesWhatIsWrong) {
  const auto document = JsonDocument::Parse(
      R"({"name":"n","count":3,"ratio":2,"stop":"x","list":["a",1],"old":null,"nmae":1,"count":4})");
  ASSERT_TRUE(document.ok());
  JsonErrors errors;
  JsonFields fields(document->root(), "", errors);
  std::string name;
  std::int64_t count = 0;
  double ratio = 0;
  std::vector<std::string> stop;
  std::vector<std::string> list;
  std::string old = "kept";
  EXPECT_TRUE(fields.String("name", &name));
  EXPECT_TRUE(fields.Int("count", &count, 0, 10));
  EXPECT_FALSE(fields.Double("ratio", &ratio, 0, 1));
  EXPECT_TRUE(fields.Strings("stop", &stop, true));
  EXPECT_FALSE(fields.Strings("list", &list));
  EXPECT_FALSE(fields.String("old", &old));
  EXPECT_EQ(old, "kept");
  EXPECT_FALSE(fields.Require("needed"));
  fields.Finish();
  std::vector<std::string> found;
  for (const FieldError& e : FieldsOf(errors.status())) found.push_back(e.field + ": " + e.message);
  EXPECT_THAT(found, ElementsAre("ratio: must be between 0 and 1, is 2",
                                 "list[1]: must be a string, is a number", "needed: is missing",
                                 "nmae: is not a known field; did you mean \"name\"?",
                                 "count: is there more than once"));
}

TEST(JsonTest, NumbersKeepTheirRange) {
  const auto document =
      JsonDocument::Parse("[9223372036854775807,18446744073709551615,3.0,1.5,-1]");
  ASSERT_TRUE(document.ok());
  const auto values = document->root().Elements();
  EXPECT_EQ(values[0].AsInt(), INT64_MAX);
  EXPECT_EQ(values[1].AsInt(), std::nullopt);
  EXPECT_EQ(values[1].AsUint(), UINT64_MAX);
  EXPECT_EQ(values[2].AsInt(), 3);
  EXPECT_EQ(values[3].AsInt(), std::nullopt);
  EXPECT_EQ(values[4].AsUint(), std::nullopt);
}

float ReadBack(const std::string& text) {
  float value = NAN;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  EXPECT_EQ(parsed.ptr, text.data() + text.size()) << text;
  return value;
}

TEST(JsonWriterTest, EveryFloatIsReadBack) {
  std::mt19937 random(17);
  std::vector<float> values = {0.0F,       -0.0F, 1e-5F,   9.9999999e-6F,
                               999999.94F, 1e6F,  3.4e38F, 1e-45F};
  for (int power = -30; power < 30; ++power) {
    const float value = std::ldexp(1.0F, power);
    values.insert(values.end(), {value, std::nextafter(value, 0.0F), std::nextafter(value, 1e9F)});
  }
  for (int i = 0; i < 200'000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    const auto any = std::bit_cast<float>(bits);
    if (std::isfinite(any)) values.push_back(any);
    values.push_back(static_cast<float>(static_cast<double>(bits) / 4294967296.0 - 0.5));
  }
  for (const float value : values) {
    JsonWriter json;
    json.Value(value);
    ASSERT_EQ(std::bit_cast<std::uint32_t>(ReadBack(json.text())),
              std::bit_cast<std::uint32_t>(value))
        << json.text();
  }
}

TEST(JsonWriterTest, FloatsWrittenTogetherAreTheSame) {
  std::mt19937 random(19);
  std::vector<float> values;
  for (int i = 0; i < 200'000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    // One of a hundred is none that is written together with its neighbours.
    const auto any =
        std::bit_cast<float>(bits % 100 == 0 ? bits : 0x3800'0000 | bits % 0x0780'0000);
    if (std::isfinite(any)) values.push_back(bits % 2 == 0 ? any : -any);
  }
  std::string one_by_one;
  for (const float value : values) {
    JsonWriter json;
    one_by_one += (one_by_one.empty() ? "[" : ",") + json.Value(value).Take();
  }
  JsonWriter together;
  EXPECT_EQ(together.Values(values).text(), one_by_one + "]");
  const auto rows = ParseJsonRows("[" + together.Take() + "]");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->front(), values);
}

TEST(JsonWriterTest, FloatsOfFewDigitsKeepThem) {
  const std::vector<float> values = {0.1F,     -0.04837F, 12.5F, 100.0F,     999999.0F,
                                     0.00001F, 9.99999F,  1e6F,  0.5F,       -1.0F,
                                     3e-7F,    123456.7F, 0.0F,  0.1234567F, INFINITY};
  JsonWriter json;
  json.Values(values);
  EXPECT_EQ(json.text(),
            "[0.1,-0.04837,12.5,100,999999,0.00001,9.99999,1e+06,0.5,-1,3e-07,123456.7,0,"
            "0.1234567,null]");
  JsonWriter none;
  none.BeginObject().Key("a").Values({}).Field("b", 1).EndObject();
  EXPECT_EQ(none.text(), R"({"a":[],"b":1})");
}

TEST(JsonTest, ReadsRowsOfNumbers) {
  const auto rows = ParseJsonRows(" [[0.25, -2e1, 3], [], [0.1234567890123456789]]\n");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(*rows, ElementsAre(ElementsAre(0.25F, -20.0F, 3.0F), ElementsAre(),
                                 ElementsAre(0.12345679F)));
  EXPECT_TRUE(ParseJsonRows("[]")->empty());
  for (const char* text : {"", "[", "{}", "[1]", "[[1]", "[[1]]]", "[[1]] x", "[[1 2]]", "[[1,]]",
                           "[[\"1\"]]", "[[1,null]]", "[[[1]]]", "[[1],{}]", "[[01]]", "[[1.]]",
                           "[[-]]", "[[1e]]", "[[+1]]", "[[1x]]"}) {
    EXPECT_EQ(ParseJsonRows(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(JsonTest, NumbersOfRowsAreTheNearestFloats) {
  std::mt19937_64 random(23);
  std::vector<float> values;
  std::string text = "[[";
  for (int i = 0; i < 100'000; ++i) {
    const double value = (static_cast<double>(random()) / 1.8446744073709552e19 - 0.5) *
                         std::pow(10.0, static_cast<int>(random() % 12) - 6);
    char number[64];
    const bool single = i % 3 == 0;  // fewer digits
    char* const end = single
                          ? std::to_chars(number, number + 64, static_cast<float>(value)).ptr
                          : std::to_chars(number, number + 64, value, std::chars_format::fixed).ptr;
    text.append(number, end).append(i % 2 == 0 ? "," : ", ");
    values.push_back(static_cast<float>(value));
  }
  const auto rows = ParseJsonRows(text + "0]]");
  ASSERT_TRUE(rows.ok()) << rows.status();
  values.push_back(0);
  EXPECT_EQ(rows->front(), values);
}

// What is wrong stands where much follows: there the numbers are read by another way than at the
// end of a text.
TEST(JsonTest, RowsWithWhatIsNoNumberAreRefused) {
  for (const char* wrong :
       {"0.", "-", "-.5", "0.5.5", "0,5,", "0.5x", "0.5 5", "00.5", "0.5e", "--0.5", "0.12345678x",
        "0.1234567812345678x", "0.x2345678", "0.\"", "+0.5"}) {
    const std::string text = StrCat("[[0.5,", wrong, ",0.25,0.125,0.0625,0.03125,0.015625,0.5]]");
    EXPECT_EQ(ParseJsonRows(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  for (const char* right : {"0", "-0", "0.5e1", "0.000000000000000000000000000000000001",
                            "0.123456789012345678901234567890", "1.5", " 0.5 ", "-0.0"}) {
    const std::string text = StrCat("[[0.5,", right, ",0.25,0.125,0.0625,0.03125,0.015625,0.5]]");
    const auto rows = ParseJsonRows(text);
    ASSERT_TRUE(rows.ok()) << text;
    ASSERT_EQ(rows->front().size(), 8) << text;
    EXPECT_EQ(rows->front()[1], std::strtof(right, nullptr));
    EXPECT_EQ(rows->front()[2], 0.25F);
  }
}

TEST(JsonWriterTest, WritesWhatReadsBack) {
  JsonWriter json;
  json.BeginObject().Field("a", "x\"\\\n\x01").Field("b", 1.5).Field("c", 0.1F);
  json.Key("d").BeginArray().Value(true).Null().Value(INT64_MIN).EndArray();
  json.Field("e", 1.0 / 0.0).Field("bad", "\xff\xc3").EndObject();
  EXPECT_EQ(json.text(),
            "{\"a\":\"x\\\"\\\\\\n\\u0001\",\"b\":1.5,\"c\":0.1,"
            "\"d\":[true,null,-9223372036854775808],\"e\":null,"
            "\"bad\":\"\xEF\xBF\xBD\xEF\xBF\xBD\"}");
  EXPECT_TRUE(JsonDocument::Parse(json.Take()).ok());
}

}  // namespace
}  // namespace tessera
