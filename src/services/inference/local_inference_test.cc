#include "services/inference/local_inference.h"

#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"
#include "model/test_models.h"
#include "net/http_error.h"
#include "net/http_server.h"
#include "net/sse.h"
#include "remote/testing/test_door.h"
#include "runtime/when_all.h"
#include "store/test_folder.h"
#include "telemetry/trace.h"
#include "tessera/v1/inference_remote.tessera.h"
#include "tessera/v1/inference_rpc.tessera.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Sends its pieces, then ends.
class Pieces final : public Stream<std::string> {
 public:
  explicit Pieces(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  Task<Result<std::optional<std::string>>> Next(Ctx) override {
    if (at_ == pieces_.size()) co_return std::nullopt;
    co_return pieces_[at_++];
  }

 private:
  std::vector<std::string> pieces_;
  std::size_t at_ = 0;
};

std::string Delta(std::string_view text) {
  return SseEvent(StrCat(R"({"choices":[{"index":0,"delta":{"content":")", text, R"("}}]})"));
}
constexpr char kStop[] = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";
constexpr char kUsage[] = R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}})";

/// An OpenAI-compatible server; what it does depends on the model's name.
class Upstream final : public HttpService {
 public:
  Admission Admit(HttpRequest&) override {
    Admission admission;
    admission.body = BodyKind::kBuffered;
    admission.body_max = 1 << 20;
    return admission;
  }
  Task<HttpReply> Handle(Ctx ctx, HttpRequest request) override {
    last_path = request.path;
    last_body = request.body;
    last_key = std::string(request.headers.Get("authorization"));
    last_request_id = std::string(request.headers.Get("x-request-id"));
    last_trace = std::string(request.headers.Get("traceparent"));
    const auto asked = [&request](std::string_view model) {
      return request.body.find(StrCat("\"model\":\"", model, "\"")) != std::string::npos;
    };
    if (request.path == "/v1/embeddings") {
      co_return HttpReply::Json(200, R"({"data":[{"index":1,"embedding":[0,2,0]},)"
                                     R"({"index":0,"embedding":[3,0,4]}],)"
                                     R"("usage":{"prompt_tokens":5}})");
    }
    if (asked("full")) {
      HttpReply reply = HttpReply::Json(429, R"({"error":{"message":"too busy"}})");
      reply.headers.Add("retry-after", "7");
      co_return reply;
    }
    if (asked("closed")) co_return HttpReply::Json(401, R"({"error":{"message":"bad key"}})");
    std::vector<std::string> pieces = {Delta("Hel"), Delta("lo")};
    if (asked("whole")) {
      pieces.push_back(SseEvent(kStop) + SseEvent(kUsage));
      pieces.push_back(SseEvent("[DONE]"));
    }
    if (asked("silent")) pieces.push_back(SseEvent("[DONE]"));
    if (asked("empty")) pieces = {SseEvent("[DONE]")};
    if (asked("breaks")) pieces.push_back(SseEvent(R"({"error":{"message":"out of memory"}})"));
    co_return HttpReply::EventStream(std::make_unique<Pieces>(std::move(pieces)));
  }
  HttpReply OnBadRequest(const HttpRequest*, int status, std::string_view) override {
    return HttpReply::Empty(status);
  }
  std::string last_path;
  std::string last_body;
  std::string last_key;
  std::string last_request_id;
  std::string last_trace;
};

struct Answer {
  std::string text;
  std::string model;
  v1::GenerateEvent last;
};

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): the test waits for it
Task<Result<Answer>> Ask(Inference& inference, std::string model, std::string question,
                         Ctx ctx = SystemCtx()) {
  v1::GenerateRequest request;
  request.set_model(std::move(model));
  v1::Message& message = *request.add_messages();
  message.set_role("user");
  message.set_content(std::move(question));
  request.set_max_tokens(8);
  request.mutable_sampling()->set_temperature(0);
  request.add_stop("\n");
  CO_TRY(StreamPtr<v1::GenerateEvent> stream, co_await inference.Generate(ctx, std::move(request)));
  Answer answer;
  while (true) {
    CO_TRY(std::optional<v1::GenerateEvent> event, co_await stream->Next(ctx));
    if (!event) co_return answer;
    answer.text += event->text();
    if (!event->model().empty()) answer.model = event->model();
    answer.last = *std::move(event);
  }
}

class LocalInferenceTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    loops_ = new IoLoops(1);
    upstream_ = new Upstream();
    HttpServerConfig config;
    config.port = 0;
    server_ = new HttpServer(config, *upstream_, *loops_, TestWorkers());
    ASSERT_TRUE(server_->Start().ok());
    folder_ = new TestFolder();
    InferenceConfig inference;
    inference.context_tokens = 512;
    inference.slots = 2;
    for (const char* name : {"whole", "cut", "breaks", "full", "closed", "silent", "empty"}) {
      UpstreamModelConfig& model = inference.models[name];
      model.base_url = StrCat("http://127.0.0.1:", server_->port(), "/v1/");
      model.key = Secret("sesame");
    }
    inference.models["vectors"] = inference.models["whole"];
    inference.models["vectors"].kind = UpstreamModelConfig::Kind::kEmbedder;
    inference.models["vectors"].dimension = 3;
    auto opened =
        LocalInference::Open(std::move(inference), folder_->path(), TestWorkers(), loops_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    local_ = opened->release();
    door_ = new TestDoor<Inference, InferenceRemote>(*local_);
    inference_ = &**door_;
  }
  static void TearDownTestSuite() {
    delete door_;
    EXPECT_TRUE(SyncWait(local_->Stop(SystemCtx())).ok());
    delete local_;
    EXPECT_TRUE(SyncWait(server_->Drain(Ctx().WithTimeout(std::chrono::seconds(5)))).ok());
    delete server_;
    delete upstream_;
    delete loops_;
    delete folder_;
  }

  static inline IoLoops* loops_;
  static inline Upstream* upstream_;
  static inline HttpServer* server_;
  static inline TestFolder* folder_;
  static inline LocalInference* local_;
  static inline TestDoor<Inference, InferenceRemote>* door_;
  static inline Inference* inference_;  // through the door
};

TEST_F(LocalInferenceTest, TheDemoModelIsTheDefault) {
  const Result<Answer> answer = SyncWait(Ask(*inference_, "", "What is the capital of Italy?"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->model, "smollm2");
  EXPECT_FALSE(answer->text.empty());
}

TEST_F(LocalInferenceTest, AnUnknownModelIsNotFoundAndTheKnownAreNamed) {
  const Status status = SyncWait(Ask(*inference_, "gpt-9", "Hi")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("smollm2, whole"));
  v1::EmbedRequest embed;
  embed.set_model("smollm2");
  const Status wrong_kind = SyncWait(inference_->Embed(SystemCtx(), embed)).status();
  EXPECT_EQ(wrong_kind.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(wrong_kind.message()), HasSubstr("minilm, vectors"));
}

TEST_F(LocalInferenceTest, ListSaysWhatIsDefaultAndDemo) {
  const auto reply = SyncWait(inference_->ListModels(SystemCtx(), {}));
  ASSERT_TRUE(reply.ok());
  std::vector<std::string> defaults;
  for (const v1::Model& model : reply->models()) {
    if (model.is_default()) defaults.push_back(model.name());
    EXPECT_EQ(model.demo(), model.name() == "smollm2");
  }
  EXPECT_THAT(defaults, ElementsAre("minilm", "smollm2"));
  EXPECT_EQ(reply->models_size(), 10);
}

TEST_F(LocalInferenceTest, AnUpstreamAnswers) {
  const Result<Answer> answer = SyncWait(Ask(*inference_, "whole", "Say \"hello\"."));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->text, "Hello");
  EXPECT_EQ(answer->model, "whole");
  EXPECT_EQ(answer->last.finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(answer->last.usage().prompt_tokens(), 7U);
  EXPECT_EQ(upstream_->last_path, "/v1/chat/completions");
  EXPECT_EQ(upstream_->last_key, "Bearer sesame");
  EXPECT_THAT(upstream_->last_body, HasSubstr(R"("content":"Say \"hello\".")"));
  EXPECT_THAT(upstream_->last_body, HasSubstr(R"("stop":["\n"])"));
}

TEST_F(LocalInferenceTest, AnUpstreamIsToldTheRequestsIdAndTrace) {
  auto info = std::make_shared<RequestInfo>();
  info->request_id = "order-66";
  info->trace = {.high = 1, .low = 2, .sampled = true};
  v1::EmbedRequest embed;
  embed.set_model("vectors");
  embed.add_texts("one");
  // What comes back is no reply for an embedder.
  const auto ignored = SyncWait(inference_->Embed(Ctx(info, {}).WithSpan(3), embed));
  EXPECT_EQ(upstream_->last_path, "/v1/embeddings");
  EXPECT_EQ(upstream_->last_request_id, "order-66");
  EXPECT_EQ(upstream_->last_trace, "00-00000000000000010000000000000002-0000000000000003-01");
}

TEST_F(LocalInferenceTest, AnUpstreamThatEndsInTheMiddleIsAnError) {
  const Status cut = SyncWait(Ask(*inference_, "cut", "Hi")).status();
  EXPECT_EQ(cut.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(cut.message()), HasSubstr("in the middle"));
  const Status broken = SyncWait(Ask(*inference_, "breaks", "Hi")).status();
  EXPECT_EQ(broken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(broken.message()), HasSubstr("out of memory"));
}

TEST_F(LocalInferenceTest, AnUpstreamNeedNotSayWhyItsAnswerEnded) {
  const Result<Answer> answer = SyncWait(Ask(*inference_, "silent", "Hello?"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->text, "Hello");
  EXPECT_EQ(answer->last.finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_TRUE(absl::IsUnavailable(SyncWait(Ask(*inference_, "empty", "Hello?")).status()))
      << "one that said nothing has failed";
}

TEST_F(LocalInferenceTest, AnUpstreamsRefusalsKeepTheirMeaning) {
  const Status full = SyncWait(Ask(*inference_, "full", "Hi")).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfterOf(full), 7);
  const Status closed = SyncWait(Ask(*inference_, "closed", "Hi")).status();
  EXPECT_EQ(closed.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(closed.message()), HasSubstr("bad key"));
  EXPECT_THAT(std::string(closed.message()), testing::Not(HasSubstr("sesame")));
}

TEST_F(LocalInferenceTest, UpstreamVectorsAreOrderedAndNormalised) {
  v1::EmbedRequest request;
  request.set_model("vectors");
  request.add_texts("a");
  request.add_texts("b");
  const auto reply = SyncWait(inference_->Embed(SystemCtx(), request));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_THAT(reply->vectors(0).values(), ElementsAre(0.6F, 0.0F, 0.8F));
  EXPECT_THAT(reply->vectors(1).values(), ElementsAre(0.0F, 1.0F, 0.0F));
  request.add_texts("c");  // three texts, but the server sends two vectors
  EXPECT_EQ(SyncWait(inference_->Embed(SystemCtx(), request)).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(LocalInferenceTest, RerankPutsTheFittingPassageFirst) {
  v1::RerankRequest request;
  request.set_query("How do I bake bread?");
  request.add_passages("The stock market fell by two per cent.");
  request.add_passages("Knead the dough, let it rise, and put the loaf into the oven.");
  const auto reply = SyncWait(inference_->Rerank(SystemCtx(), request));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_GT(reply->scores(1), reply->scores(0) + 0.2F);
}

TEST_F(LocalInferenceTest, WaitingForASlotAndRerankingHaveSpansOfTheirOwn) {
  RequestInfo info;
  info.principal = SystemCtx().principal();
  info.spans = TraceSpans::Make({.high = 1, .low = 2, .sampled = true}, true);
  const Ctx ctx(std::make_shared<const RequestInfo>(info), {});
  std::vector<Task<Result<Answer>>> asks;
  for (int i = 0; i < 3; ++i) asks.push_back(Ask(*local_, "smollm2", "Count to eight.", ctx));
  for (const auto& answer : SyncWait(WhenAll(std::move(asks)))) EXPECT_TRUE(answer.ok());
  v1::RerankRequest request;
  request.set_query("bread");
  request.add_passages("dough");
  ASSERT_TRUE(SyncWait(local_->Rerank(ctx, request)).ok());

  std::map<std::uint64_t, std::string_view> names;
  std::map<std::string_view, int> seen;
  const TraceSpans::Copy copy = info.spans->Read();
  for (const SpanRecord& span : copy.spans) names[span.id] = span.name;
  for (const SpanRecord& span : copy.spans) {
    ++seen[span.name];
    EXPECT_GT(span.end, span.start) << span.name;
    EXPECT_EQ(span.code, absl::StatusCode::kOk) << span.name;
    if (span.name == "wait for a slot") EXPECT_EQ(names[span.parent], "chat");
  }
  EXPECT_EQ(seen["chat"], 3);
  EXPECT_EQ(seen["wait for a slot"], 3);
  EXPECT_EQ(seen["rerank"], 1);
}

TEST_F(LocalInferenceTest, CountTokensForEitherKind) {
  v1::CountTokensRequest request;
  request.add_texts("hello world");
  EXPECT_EQ(SyncWait(inference_->CountTokens(SystemCtx(), request))->counts(0), 4U);
  request.set_model("smollm2");
  EXPECT_EQ(SyncWait(inference_->CountTokens(SystemCtx(), request))->counts(0), 2U);
}

TEST_F(LocalInferenceTest, AModelAddedWhileItRunsIsFound) {
  const auto listed = [] {
    const auto reply = SyncWait(inference_->ListModels(SystemCtx(), {}));
    return std::any_of(reply->models().begin(), reply->models().end(),
                       [](const v1::Model& model) { return model.name() == "mine"; });
  };
  EXPECT_FALSE(listed());
  EXPECT_FALSE(listed());  // which is not read from the disk again
  const ModelStore store(folder_->path());
  ModelStore::AddOptions options;
  options.name = "mine";
  options.make_default = false;
  const auto added = store.Add(TESSERA_BUILTIN_MODELS "/smollm2.gguf", options);
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_TRUE(listed());
  EXPECT_TRUE(listed());
  const Result<Answer> answer = SyncWait(Ask(*inference_, "mine", "Say yes."));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->model, "mine");
  ASSERT_TRUE(store.Remove("mine").ok());
  EXPECT_FALSE(listed());
}

}  // namespace
}  // namespace tessera
