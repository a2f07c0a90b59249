#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
