#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/field_error.h"
#include "edge/facades/answer.h"
#include "edge/facades/chat_request.h"
#include "edge/facades/python_bytes.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// Expected values as CPython 3.11 prints them.
TEST(PythonBytesTest, IsWhatReprWrites) {
  EXPECT_EQ(PythonBytesRepr(" tok0"), "b' tok0'");
  EXPECT_EQ(PythonBytesRepr("caf\xc3\xa9"), "b'caf\\xc3\\xa9'");
  EXPECT_EQ(PythonBytesRepr("it's"), "b\"it's\"");
  EXPECT_EQ(PythonBytesRepr("'\""), "b'\\'\"'");
  EXPECT_EQ(PythonBytesRepr(std::string_view("\n\t\r\\\0\x7f", 6)), "b'\\n\\t\\r\\\\\\x00\\x7f'");
}

std::string FieldOf(const Status& status) {
  const std::vector<FieldError> fields = FieldsOf(status);
  return fields.empty() ? std::string(status.message())
                        : StrCat(fields[0].field, ": ", fields[0].message);
}

std::string OpenAiMistake(std::string body) {
  return FieldOf(ReadOpenAiChat(std::move(body)).status());
}

TEST(ChatRequestTest, MistakesSayWhatAndWhere) {
  EXPECT_THAT(
      OpenAiMistake(
          R"({"model": "m", "messages": [{"role": "user", "content": "x"}], "temprature": 1})"),
      HasSubstr("temperature"));
  EXPECT_THAT(OpenAiMistake(R"({"model": "m", "messages": [{"role": "user", "content": 7}]})"),
              HasSubstr("messages[0].content: must be"));
  EXPECT_THAT(OpenAiMistake(R"({"model": "m", "messages": [{"role": "boss", "content": "x"}]})"),
              HasSubstr("messages[0].role: "));
  EXPECT_THAT(OpenAiMistake(R"({"messages": [{"role": "user", "content": "x"}]})"),
              HasSubstr("model: "));
  EXPECT_THAT(OpenAiMistake(R"({"model": "m", "messages": []})"), HasSubstr("messages: must have"));
  EXPECT_THAT(OpenAiMistake(R"({"model": "m", "messages": "x"})"), HasSubstr("messages: "));
  EXPECT_THAT(OpenAiMistake(R"({"model": "m", )"), HasSubstr("line 1"));
  EXPECT_THAT(
      OpenAiMistake(
          R"({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]})"),
      HasSubstr("read text only"));
  EXPECT_THAT(
      OpenAiMistake(R"({"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 99})"),
      HasSubstr("n: "));
}

TEST(ChatRequestTest, ReadsWhatOpenAisClientsSend) {
  const Result<ChatRequest> chat = ReadOpenAiChat(R"({
      "model": "rag:docs", "messages": [{"role": "developer", "content": "Be brief."},
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
      "stream": true, "stream_options": {"include_usage": true}, "stop": "END", "seed": 7, "n": 2,
      "max_completion_tokens": 5, "temperature": null,
      "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->messages[0].role(), "system");
  EXPECT_EQ(chat->messages[1].content(), "a\nb");
  EXPECT_TRUE(chat->stream && chat->include_usage);
  EXPECT_EQ(chat->stop, std::vector<std::string>{"END"});
  EXPECT_EQ(chat->max_tokens, 5u);
  EXPECT_FALSE(chat->sampling.has_temperature());
  EXPECT_EQ(chat->json_schema, R"({"type":"object"})");
}

TEST(ChatRequestTest, OpeasFormsSayWhatJsonSays) {
  EXPECT_EQ(OpeaFormJson({{"messages", ""},
                          {"type", "text"},
                          {"max_tokens", "32"},
                          {"stream", "False"},
                          {"language", "en"},
                          {"summary_type", ""},
                          {"temperature", "0.5"},
                          {"chunk_size", "-1"}}),
            R"({"messages":"","type":"text","max_tokens":32,"stream":false,"language":"en",)"
            R"("temperature":0.5,"chunk_size":-1})");
  // A text that looks like a number is still a text, and what is no number is told where it stands.
  EXPECT_EQ(OpeaFormJson({{"messages", "42"}}), R"({"messages":"42"})");
  std::vector<std::pair<std::string, std::string>> parameters;
  const auto wrong =
      ReadOpeaChat(OpeaFormJson({{"messages", "x"}, {"max_tokens", "many"}}), {}, &parameters);
  EXPECT_THAT(FieldOf(wrong.status()), HasSubstr("max_tokens: "));
}

TEST(ChatRequestTest, OpeaStreamsUnlessToldOtherwiseAndTakesALoneText) {
  std::vector<std::pair<std::string, std::string>> parameters;
  const auto chat = ReadOpeaChat(R"({"messages": "What?", "top_n": 3, "chunk_size": 100})",
                                 {"chunk_size"}, &parameters);
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_TRUE(chat->stream);
  EXPECT_EQ(chat->messages[0].content(), "What?");
  EXPECT_EQ(chat->max_tokens, 1024u);
  EXPECT_EQ(chat->passages_max, 3u);
  ASSERT_EQ(parameters.size(), 1u);
  EXPECT_EQ(parameters[0].second, "100");
  EXPECT_FALSE(ReadOpeaChat(R"({"mesages": "What?"})", {}, &parameters).ok());
}

TEST(RagModelTest, NamesACollectionAndPerhapsAModel) {
  EXPECT_FALSE(ParseRagModel("smollm2"));
  EXPECT_FALSE(ParseRagModel("ragtime"));
  EXPECT_EQ(ParseRagModel("rag")->collection, "default");
  EXPECT_EQ(ParseRagModel("rag:a")->collection, "a");
  EXPECT_EQ(ParseRagModel("rag:a:m")->model, "m");
}

}  // namespace
}  // namespace tessera
