#include "model/llama_model.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "model/test_models.h"
#include "net/http_error.h"
#include "runtime/when_all.h"

namespace tessera {
namespace {

using testing::HasSubstr;

struct Answer {
  std::string text;
  std::string model;
  v1::FinishReason reason = v1::FINISH_REASON_UNSPECIFIED;
  v1::Usage usage;
};

Task<Result<Answer>> ReadAll(Ctx ctx, StreamPtr<v1::GenerateEvent> stream) {
  Answer answer;
  while (true) {
    CO_TRY(std::optional<v1::GenerateEvent> event, co_await stream->Next(ctx));
    if (!event) co_return answer;
    answer.text += event->text();
    if (!event->model().empty()) answer.model = event->model();
    if (event->finish_reason() == v1::FINISH_REASON_UNSPECIFIED) continue;
    answer.reason = event->finish_reason();
    answer.usage = event->usage();
  }
}

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): the test waits for it
Task<Result<Answer>> Ask(LanguageModel& model, v1::GenerateRequest request) {
  Ctx ctx = SystemCtx();
  CO_TRY(StreamPtr<v1::GenerateEvent> stream, co_await model.Generate(ctx, std::move(request)));
  co_return co_await ReadAll(ctx, std::move(stream));
}

v1::GenerateRequest Chat(std::string question, std::uint32_t max_tokens) {
  v1::GenerateRequest request;
  v1::Message& system = *request.add_messages();
  system.set_role("system");
  system.set_content("You answer in one short sentence.");
  v1::Message& message = *request.add_messages();
  message.set_role("user");
  message.set_content(std::move(question));
  request.set_max_tokens(max_tokens);
  request.mutable_sampling()->set_temperature(0);
  return request;
}

class LlamaModelTest : public testing::Test {
 protected:
  static LanguageModel& Model() {
    static auto* const model = LoadLlamaModel(SmolLm2Options(), TestWorkers())->release();
    return *model;
  }
  static Answer MustAsk(const v1::GenerateRequest& request) {
    Result<Answer> answer = SyncWait(Ask(Model(), request));
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *answer : Answer();
  }
};

TEST_F(LlamaModelTest, GreedyAnswersAreTheSameEachTime) {
  const Answer first = MustAsk(Chat("What is the capital of France?", 12));
  const Answer second = MustAsk(Chat("What is the capital of France?", 12));
  EXPECT_THAT(first.text, HasSubstr("Paris"));
  EXPECT_EQ(first.text, second.text);
  EXPECT_EQ(first.model, "smollm2");
}

TEST_F(LlamaModelTest, SameSeedSameAnswer) {
  v1::GenerateRequest request = Chat("Tell a short story.", 16);
  request.mutable_sampling()->set_temperature(1.2F);
  request.mutable_sampling()->set_seed(7);
  const Answer first = MustAsk(request);
  EXPECT_EQ(first.text, MustAsk(request).text);
  request.mutable_sampling()->set_seed(8);
  EXPECT_NE(first.text, MustAsk(request).text);
}

TEST_F(LlamaModelTest, UsageAndFinishReasonAreTrue) {
  const Answer cut = MustAsk(Chat("Count from one to a hundred, in words.", 5));
  EXPECT_EQ(cut.reason, v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(cut.usage.completion_tokens(), 5U);
  EXPECT_GT(cut.usage.prompt_tokens(), 10U);
  const Answer whole = MustAsk(Chat("Reply with one word: what colour is snow?", 200));
  EXPECT_EQ(whole.reason, v1::FINISH_REASON_STOP);
  EXPECT_LT(whole.usage.completion_tokens(), 200U);
}

TEST_F(LlamaModelTest, StopStringsEndTheAnswerAndAreNotInIt) {
  const Answer whole = MustAsk(Chat("What is the capital of France?", 12));
  v1::GenerateRequest request = Chat("What is the capital of France?", 12);
  request.add_stop("is Par");  // across a token's border
  const Answer cut = MustAsk(request);
  EXPECT_EQ(cut.reason, v1::FINISH_REASON_STOP);
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find("is Par")));
}

TEST_F(LlamaModelTest, LogprobsTellOfEveryTokenShown) {
  v1::GenerateRequest request = Chat("What is the capital of France?", 6);
  request.set_logprobs(true);
  request.set_top_logprobs(3);
  auto stream = SyncWait(Model().Generate(Ctx(), request));
  ASSERT_TRUE(stream.ok()) << stream.status();
  std::string text;
  std::string bytes;
  int tokens = 0;
  while (true) {
    auto event = SyncWait((*stream)->Next(Ctx()));
    ASSERT_TRUE(event.ok()) << event.status();
    if (!*event) break;
    text += (*event)->text();
    for (const v1::TokenLogprob& token : (*event)->logprobs()) {
      bytes += token.bytes();
      ++tokens;
      EXPECT_LE(token.logprob(), 0);
      ASSERT_EQ(token.top_size(), 3);
      // A greedy answer takes the likeliest.
      EXPECT_EQ(token.top(0).token(), token.token());
      EXPECT_EQ(token.top(0).logprob(), token.logprob());
      EXPECT_GE(token.top(1).logprob(), token.top(2).logprob());
      EXPECT_LE(std::exp(token.top(0).logprob()) + std::exp(token.top(1).logprob()), 1.001);
    }
  }
  EXPECT_EQ(tokens, 6);
  EXPECT_EQ(bytes, text);
}

TEST_F(LlamaModelTest, FunctionsAreRefusedWithAWayOut) {
  v1::GenerateRequest request = Chat("What is the weather?", 6);
  request.set_tools(R"([{"type":"function","function":{"name":"weather"}}])");
  const Status refused = SyncWait(Model().Generate(Ctx(), request)).status();
  EXPECT_THAT(std::string(refused.message()), HasSubstr("services.inference.models"));
  request.set_tool_choice("\"none\"");
  EXPECT_TRUE(SyncWait(Model().Generate(Ctx(), request)).ok());
}

TEST_F(LlamaModelTest, AJsonSchemaIsKept) {
  v1::GenerateRequest request = Chat("Describe a dog named Rex, aged 3.", 80);
  request.set_json_schema(
      R"({"type":"object","properties":{"name":{"type":"string","maxLength":12},)"
      R"("age":{"type":"integer","minimum":0,"maximum":20}},"required":["name","age"],)"
      R"("additionalProperties":false})");
  const Answer answer = MustAsk(request);
  simdjson::dom::parser parser;
  simdjson::dom::element json;
  ASSERT_EQ(parser.parse(answer.text).get(json), simdjson::SUCCESS) << answer.text;
  EXPECT_TRUE(json["name"].is_string());
  EXPECT_TRUE(json["age"].is_int64());

  request.set_json_schema(R"({"type":"nonsense"})");
  const Result<Answer> wrong = SyncWait(Ask(Model(), request));
  EXPECT_EQ(wrong.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("json_schema"));
}

TEST_F(LlamaModelTest, APromptSeenBeforeIsReused) {
  const std::string story(300, 'a');
  const Answer first = MustAsk(Chat("Prefix test: " + story + " What is this?", 4));
  const Answer second = MustAsk(Chat("Prefix test: " + story + " What is that?", 4));
  EXPECT_LT(first.usage.cached_tokens(), first.usage.prompt_tokens() / 2);
  EXPECT_GT(second.usage.cached_tokens(), second.usage.prompt_tokens() / 2);
}

TEST_F(LlamaModelTest, EightChatsAtOnceAreIsolated) {
  const char* const capitals[] = {"France", "Italy", "Spain", "Germany",
                                  "Japan",  "Egypt", "China", "Russia"};
  const char* const expected[] = {"Paris", "Rome",  "Madrid",  "Berlin",
                                  "Tokyo", "Cairo", "Beijing", "Moscow"};
  std::vector<Task<Result<Answer>>> tasks;
  for (const char* country : capitals)
    tasks.push_back(Ask(Model(), Chat(std::string("What is the capital of ") + country + "?", 10)));
  const std::vector<Result<Answer>> answers = SyncWait(WhenAll(std::move(tasks)));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status();
    EXPECT_THAT(answers[i]->text, HasSubstr(expected[i]));
  }
}

TEST_F(LlamaModelTest, UnicodeGoesInAndOutWhole) {
  const Answer answer = MustAsk(Chat("Repeat exactly: Grüße 你好 🎉", 24));
  simdjson::dom::parser parser;
  EXPECT_TRUE(simdjson::validate_utf8(answer.text));
  EXPECT_FALSE(answer.text.empty());
}

TEST_F(LlamaModelTest, TooLongAPromptSaysBothFigures) {
  std::string words;
  for (int i = 0; i < 1500; ++i) words += "word ";
  const Result<Answer> answer = SyncWait(Ask(Model(), Chat(words, 4)));
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(answer.status().message()),
              testing::ContainsRegex("1[5-9][0-9]{2} tokens"));
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("at most 1023"));
}

TEST_F(LlamaModelTest, WrongParametersAreNamed) {
  v1::GenerateRequest request = Chat("Hi", 4);
  request.mutable_sampling()->set_top_p(3);
  const Result<Answer> answer = SyncWait(Ask(Model(), request));
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("top_p"));
}

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): the test waits for it
Task<Status> CancelInTheMiddle(LanguageModel& model) {
  CancelSource source;
  Ctx ctx = SystemCtx(source.token());
  CO_TRY(StreamPtr<v1::GenerateEvent> stream,
         co_await model.Generate(ctx, Chat("Count to a thousand.", 900)));
  CO_TRY(co_await stream->Next(ctx));
  source.Cancel(absl::CancelledError("enough"));
  while (true) {
    CO_TRY(const std::optional<v1::GenerateEvent> event, co_await stream->Next(ctx));
    if (!event) co_return absl::OkStatus();
  }
}

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): the test waits for it
Task<Status> DropInTheMiddle(LanguageModel& model) {
  CO_TRY(StreamPtr<v1::GenerateEvent> stream,
         co_await model.Generate(SystemCtx(), Chat("Count to a thousand.", 900)));
  CO_TRY(co_await stream->Next(SystemCtx()));
  co_return absl::OkStatus();
}

// One slot, so that a slot that is not freed shows as a wait without end.
TEST_F(LlamaModelTest, CancelledAndDroppedAnswersFreeTheirSlot) {
  LlamaOptions options = SmolLm2Options();
  options.slots = 1;
  auto model = LoadLlamaModel(options, TestWorkers());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(SyncWait(CancelInTheMiddle(**model)).code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(SyncWait(DropInTheMiddle(**model)).ok());
  const Result<Answer> next = SyncWait(Ask(**model, Chat("What is the capital of France?", 8)));
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_THAT(next->text, HasSubstr("Paris"));
}

// The first answer is not read, so it pauses and keeps the only slot; the second waits, the third
// is refused.
TEST_F(LlamaModelTest, AFullQueueRefusesWithAHint) {
  LlamaOptions options = SmolLm2Options();
  options.slots = 1;
  options.queue = 1;
  auto loaded = LoadLlamaModel(options, TestWorkers());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  LanguageModel& model = **loaded;
  auto first = SyncWait(model.Generate(SystemCtx(), Chat("Count to a thousand.", 900)));
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(SyncWait((*first)->Next(SystemCtx())).ok());  // it has the slot now
  auto second = SyncWait(model.Generate(SystemCtx(), Chat("What is the capital of France?", 8)));
  ASSERT_TRUE(second.ok()) << second.status();
  auto third = SyncWait(model.Generate(SystemCtx(), Chat("Hi", 8)));
  ASSERT_EQ(third.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_GT(RetryAfterOf(third.status()), 0);

  first->reset();
  const Result<Answer> answer = SyncWait(ReadAll(SystemCtx(), *std::move(second)));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->text, HasSubstr("Paris"));
  model.Stop();
  auto late = SyncWait(model.Generate(SystemCtx(), Chat("Hi", 8)));
  EXPECT_EQ(late.status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(LlamaModelTest, CountsTokensLikeTheModel) {
  const auto counts = SyncWait(Model().CountTokens(SystemCtx(), {"", "hello", "hello world"}));
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(*counts, (std::vector<std::uint32_t>{0, 1, 2}));
}

TEST(LlamaLoadTest, AFileThatIsNoModelIsRefused) {
  LlamaOptions options = SmolLm2Options();
  options.path = TESSERA_BUILTIN_MODELS "/minilm/vocab.txt";
  EXPECT_EQ(LoadLlamaModel(options, TestWorkers()).status().code(),
            absl::StatusCode::kInvalidArgument);
  options.path = "/nonexistent.gguf";
  EXPECT_EQ(LoadLlamaModel(options, TestWorkers()).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tessera
