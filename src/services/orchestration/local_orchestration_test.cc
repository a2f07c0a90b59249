// Runs of the built-in graphs with neighbours whose answers are known.

#include "services/orchestration/local_orchestration.h"

#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flags/flags.h"
#include "remote/testing/test_door.h"
#include "runtime/thread_pool.h"
#include "tessera/v1/inference_remote.tessera.h"
#include "tessera/v1/inference_rpc.tessera.h"
#include "tessera/v1/orchestration_remote.tessera.h"
#include "tessera/v1/orchestration_rpc.tessera.h"
#include "tessera/v1/retrieval_remote.tessera.h"
#include "tessera/v1/retrieval_rpc.tessera.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Answers each prompt with `answer`, word by word; vectors are [1, 0] for texts that contain
/// "tower", else [0, 1].
class FakeInference final : public UnimplementedInference {
 public:
  Task<Result<StreamPtr<v1::GenerateEvent>>> Generate(Ctx ctx,
                                                      v1::GenerateRequest request) override {
    ++generations;
    std::lock_guard lock(mutex);
    whole = request.whole();
    last_prompt = request.messages(request.messages_size() - 1).content();
    if (failures > 0) {
      --failures;
      co_return absl::UnavailableError("busy");
    }
    auto events = std::make_shared<Channel<v1::GenerateEvent>>(1000);
    std::string text = answer;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(' ', 1), text.size());
      v1::GenerateEvent event;
      event.set_text(text.substr(0, end));
      text.erase(0, end);
      events->TrySend(event);
    }
    v1::GenerateEvent end;
    end.set_finish_reason(v1::FINISH_REASON_STOP);
    end.mutable_usage()->set_completion_tokens(5);
    if (!endless) {
      events->TrySend(end);
      events->Close();
    }
    StreamPtr<v1::GenerateEvent> stream =
        std::make_unique<ChannelStream<v1::GenerateEvent>>(events);
    co_return stream;
  }
  Task<Result<v1::EmbedReply>> Embed(Ctx ctx, v1::EmbedRequest request) override {
    v1::EmbedReply reply;
    for (const std::string& text : request.texts()) {
      const bool tower = text.find("tower") != std::string::npos;
      v1::Vector* vector = reply.add_vectors();
      vector->add_values(tower ? 1.0f : 0.0f);
      vector->add_values(tower ? 0.0f : 1.0f);
    }
    co_return reply;
  }
  Task<Result<v1::CountTokensReply>> CountTokens(Ctx ctx, v1::CountTokensRequest request) override {
    v1::CountTokensReply reply;
    for (const std::string& text : request.texts())
      reply.add_counts(static_cast<std::uint32_t>(text.size() / 4 + 1));
    co_return reply;
  }
  Task<Result<v1::ListModelsReply>> ListModels(Ctx ctx, v1::ListModelsRequest request) override {
    v1::ListModelsReply reply;
    v1::Model* model = reply.add_models();
    model->set_name("tiny");
    model->set_kind(v1::MODEL_KIND_LANGUAGE);
    model->set_is_default(true);
    model->set_demo(true);
    model->set_context_tokens(1024);
    co_return reply;
  }

  /// Cats first.
  Task<Result<v1::RerankReply>> Rerank(Ctx ctx, v1::RerankRequest request) override {
    v1::RerankReply reply;
    for (const std::string& text : request.passages())
      reply.add_scores(text.find("Cats") != std::string::npos ? 0.9f : 0.1f);
    if (short_of_scores) reply.mutable_scores()->RemoveLast();
    co_return reply;
  }

  std::string answer = "The tower is 300 metres tall.";
  bool short_of_scores = false;
  bool whole = false;  // the last request's
  bool endless = false;
  std::atomic<int> failures = 0;
  std::atomic<int> generations = 0;
  std::mutex mutex;
  std::string last_prompt;
};

/// One passage about a tower, and one far from it.
class FakeRetrieval final : public UnimplementedRetrieval {
 public:
  Task<Result<v1::Collection>> GetCollection(Ctx ctx, v1::GetCollectionRequest request) override {
    if (request.name() != "default") co_return absl::NotFoundError("no such collection");
    v1::Collection collection;
    collection.set_name("default");
    collection.set_chunks(2);
    co_return collection;
  }
  Task<Result<v1::SearchReply>> Search(Ctx ctx, v1::SearchRequest request) override {
    last_query = request.query();
    last_limit = request.limit();
    v1::SearchReply reply;
    Add(reply, "tower.pdf", "We were there. The tower is 300 metres tall and made of iron.",
        0.9f * request.vector(0));
    Add(reply, "cats.txt", "Cats are small and they sleep for most of the day.", 0.1f);
    co_return reply;
  }

  std::string last_query;
  std::uint32_t last_limit = 0;

 private:
  static void Add(v1::SearchReply& reply, const char* name, const char* text, float cosine) {
    v1::Hit* hit = reply.add_hits();
    hit->mutable_document()->set_name(name);
    hit->mutable_document()->set_id(StrCat("file-", name));
    hit->mutable_chunk()->set_text(text);
    hit->mutable_chunk()->set_page(3);
    hit->set_cosine(cosine);
    hit->set_score(cosine);
  }
};

struct Outcome {
  Status status;
  std::string answer;
  std::vector<std::string> steps;
  int passages = 0;
  v1::RunEvent last;
};

Task<Outcome> ReadAll(Orchestration* orchestration, v1::RunRequest request, Ctx ctx = SystemCtx()) {
  Outcome outcome;
  auto stream = co_await orchestration->Run(ctx, std::move(request));
  outcome.status = stream.status();
  while (outcome.status.ok()) {
    auto event = co_await (*stream)->Next(SystemCtx());
    outcome.status = event.status();
    if (!event.ok() || !event->has_value()) break;
    outcome.answer += (*event)->text();
    if (!(*event)->step().empty()) outcome.steps.push_back((*event)->step());
    outcome.passages += (*event)->passages_size();
    outcome.last = **event;
  }
  co_return outcome;
}

class LocalOrchestrationTest : public ::testing::Test {
 protected:
  v1::RunRequest Question(const std::string& text,
                          v1::AnswerMode mode = v1::ANSWER_MODE_UNSPECIFIED) {
    v1::RunRequest request;
    request.set_graph("chatqna");
    request.set_collection("default");
    request.set_answer_mode(mode);
    v1::Message* message = request.add_messages();
    message->set_role("user");
    message->set_content(text);
    return request;
  }
  Outcome RunIt(v1::RunRequest request) { return SyncWait(ReadAll(&**door_, std::move(request))); }

  ThreadPool pool_{"graph", 2};
  FakeInference inference_;
  FakeRetrieval retrieval_;
  // Its neighbours are as far away as it is itself.
  TestDoor<Inference, InferenceRemote> inference_door_{inference_};
  TestDoor<Retrieval, RetrievalRemote> retrieval_door_{retrieval_};
  std::unique_ptr<LocalOrchestration> service_ =
      *LocalOrchestration::Make({}, *inference_door_, *retrieval_door_, pool_);
  std::optional<TestDoor<Orchestration, OrchestrationRemote>> door_{std::in_place, *service_};
};

TEST_F(LocalOrchestrationTest, ADemoModelAnswersWithQuotes) {
  const Outcome outcome = RunIt(Question("How tall is the tower?"));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.answer, "“The tower is 300 metres tall and made of iron.” [1]");
  EXPECT_THAT(outcome.steps, ::testing::ElementsAre("retrieve", "extract"));
  EXPECT_TRUE(outcome.last.done());
  EXPECT_EQ(outcome.last.answer_mode(), v1::ANSWER_MODE_EXTRACTIVE);
  ASSERT_EQ(outcome.last.citations_size(), 1);
  const v1::Citation& citation = outcome.last.citations(0);
  EXPECT_EQ(citation.document_name(), "tower.pdf");
  EXPECT_EQ(citation.page(), 3u);
  EXPECT_EQ(citation.quote(), "The tower is 300 metres tall and made of iron.");
  EXPECT_EQ(citation.answer_start(), 49u);  // code points, not bytes
  EXPECT_EQ(inference_.generations, 0);
}

TEST_F(LocalOrchestrationTest, AGeneratedAnswerIsStreamedAndCited) {
  const Outcome outcome = RunIt(Question("How tall is the tower?", v1::ANSWER_MODE_GENERATIVE));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.answer, "The tower is 300 metres tall. [1]");
  EXPECT_EQ(outcome.last.usage().completion_tokens(), 5u);
  EXPECT_EQ(outcome.last.finish_reason(), v1::FINISH_REASON_STOP);
  EXPECT_THAT(inference_.last_prompt, HasSubstr("[1] We were there."));
  EXPECT_THAT(inference_.last_prompt, ::testing::Not(HasSubstr("Cats")));
}

TEST_F(LocalOrchestrationTest, NothingRelevantIsSaidInsteadOfInvented) {
  const Outcome outcome = RunIt(Question("Who wrote Hamlet?"));
  EXPECT_TRUE(outcome.last.nothing_found());
  EXPECT_THAT(outcome.answer, StartsWith("I found nothing"));
  EXPECT_EQ(inference_.generations, 0);
}

TEST_F(LocalOrchestrationTest, AQuestionThatLeansOnHistoryIsSearchedWithIt) {
  v1::RunRequest request = Question("The tower in Paris");
  v1::Message* answer = request.add_messages();
  answer->set_role("assistant");
  answer->set_content("Yes?");
  v1::Message* question = request.add_messages();
  question->set_role("user");
  question->set_content("How tall is it?");
  const Outcome outcome = RunIt(request);
  EXPECT_EQ(retrieval_.last_query, "The tower in Paris\nHow tall is it?");
}

TEST_F(LocalOrchestrationTest, TheCallersTemplateTakesThePlaceOfTheGraphs) {
  v1::RunRequest request = Question("Tower?", v1::ANSWER_MODE_GENERATIVE);
  request.mutable_messages(0)->set_content("tower?");
  request.set_prompt_template("C={context} Q={question}");
  RunIt(request);
  EXPECT_THAT(inference_.last_prompt, StartsWith("C=[1] We were"));
  EXPECT_THAT(inference_.last_prompt, HasSubstr("Q=tower?"));
}

TEST_F(LocalOrchestrationTest, DocsumMapsAndReduces) {
  v1::RunRequest request;
  request.set_graph("docsum");
  request.add_documents(std::string(400, 'a') + ". " + std::string(400, 'B') + ".");
  (*request.mutable_parameters())["chunk_size"] = "110";
  (*request.mutable_parameters())["summary_type"] = "map_reduce";
  const Outcome outcome = RunIt(request);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(inference_.generations, 3);
  EXPECT_EQ(outcome.answer, inference_.answer);
}

TEST_F(LocalOrchestrationTest, WhatPartsUsedIsAddedUp) {
  v1::RunRequest request;
  request.set_graph("docsum");
  for (int i = 0; i < 60; ++i)
    request.add_documents(std::string(400, 'a') + ". " + std::string(400, 'B') + ".");
  (*request.mutable_parameters())["chunk_size"] = "110";
  (*request.mutable_parameters())["summary_type"] = "map_reduce";
  const Outcome outcome = RunIt(request);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_GT(inference_.generations, 120);
  EXPECT_EQ(outcome.last.usage().completion_tokens(), 5u * inference_.generations);
}

TEST_F(LocalOrchestrationTest, DocsumRefinesPartByPart) {
  v1::RunRequest request;
  request.set_graph("docsum");
  request.add_documents(std::string(400, 'a') + ". " + std::string(400, 'B') + ".");
  (*request.mutable_parameters())["chunk_size"] = "110";
  (*request.mutable_parameters())["summary_type"] = "refine";
  const Outcome outcome = RunIt(request);
  EXPECT_EQ(inference_.generations, 2);
  EXPECT_THAT(inference_.last_prompt, HasSubstr("Summary so far:\nThe tower"));
  EXPECT_EQ(outcome.answer, inference_.answer);
}

TEST_F(LocalOrchestrationTest, WrongRequestsAreRefusedWithWhatThereIs) {
  v1::RunRequest request = Question("x");
  request.set_graph("chatqa");
  EXPECT_THAT(std::string(RunIt(request).status.message()), HasSubstr("chatqna"));
  request = Question("");
  EXPECT_EQ(RunIt(request).status.code(), absl::StatusCode::kInvalidArgument);
  request = Question("x");
  request.set_model("gpt-9");
  EXPECT_EQ(RunIt(request).status.code(), absl::StatusCode::kNotFound);
  request = Question("x");
  request.set_collection("none");
  EXPECT_EQ(RunIt(request).status.code(), absl::StatusCode::kNotFound);
}

TEST_F(LocalOrchestrationTest, DroppingTheStreamCancelsTheRun) {
  inference_.endless = true;
  auto stream =
      SyncWait((*door_)->Run(SystemCtx(), Question("tower?", v1::ANSWER_MODE_GENERATIVE)));
  ASSERT_TRUE(SyncWait((*stream)->Next(SystemCtx())).ok());
  stream = absl::CancelledError("dropped");
  door_.reset();
  service_.reset();  // waits for the run: hangs unless it was cancelled
}

TEST_F(LocalOrchestrationTest, BranchesThatSpeakAreRefused) {
  for (const char* step : {"say: {text: hi}", "extract: {}", "generate: {stream: true}"}) {
    const auto graph =
        ParseGraph(StrCat("name: test\nsteps:\n  - parallel: [[{", step, "}]]\n"), "test.yaml");
    EXPECT_EQ(graph.status().code(), absl::StatusCode::kInvalidArgument) << step;
    EXPECT_THAT(std::string(graph.status().message()), HasSubstr("cannot send")) << step;
  }
}

Outcome RunGraphOf(const std::string& steps, FakeInference& inference, ThreadPool& pool) {
  FakeRetrieval retrieval;
  const Result<Graph> graph = ParseGraph("name: test\nsteps:\n" + steps, "test.yaml");
  EXPECT_TRUE(graph.ok()) << graph.status();
  v1::RunRequest request;
  request.set_collection("default");
  RunShared shared(std::move(request), inference, retrieval, pool);
  shared.events = std::make_shared<Channel<v1::RunEvent>>(100);
  Run run;
  run.shared = &shared;
  Outcome outcome;
  outcome.status = SyncWait(graph->steps->Execute(SystemCtx(), &run));
  outcome.answer = ToText(run.variables.Get("answer"));
  return outcome;
}

TEST_F(LocalOrchestrationTest, RerankPutsTheRerankersFavouriteFirst) {
  const std::string found =
      "  - prompt: {text: tower, into: question}\n  - retrieve: {cosine_min: -1}\n";
  const std::string shown = "  - prompt: {text: \"{context}\", into: answer}\n";
  Outcome outcome = RunGraphOf(found + "  - rerank:\n  - context:\n" + shown, inference_, pool_);
  EXPECT_THAT(outcome.answer, StartsWith("[1] Cats are small")) << outcome.status;
  EXPECT_THAT(outcome.answer, HasSubstr("[2] We were there."));
  outcome = RunGraphOf(found + "  - rerank: {limit: 1}\n  - context:\n" + shown, inference_, pool_);
  EXPECT_THAT(outcome.answer, StartsWith("[1] Cats are small"));
  EXPECT_THAT(outcome.answer, ::testing::Not(HasSubstr("[2]")));
  EXPECT_TRUE(RunGraphOf("  - rerank:\n", inference_, pool_).status.ok()) << "nothing to order";
  inference_.short_of_scores = true;
  EXPECT_TRUE(absl::IsInternal(RunGraphOf(found + "  - rerank:\n", inference_, pool_).status));
}

// Flags as the controller sends them; none again when it goes.
class TestFlags {
 public:
  TestFlags& Add(const std::string& key, v1::FlagType type, const std::string& value,
                 const std::string& tenant) {
    v1::Flag& flag = *flags_.add_flags();
    flag.set_key(key);
    flag.set_type(type);
    (*flag.mutable_variants())["on"] = value;
    (*flag.mutable_variants())["off"] = type == v1::FLAG_TYPE_BOOLEAN ? "false" : "6";
    flag.set_default_variant("off");
    v1::FlagRule& rule = *flag.add_rules();
    rule.add_tenants(tenant);
    rule.set_variant("on");
    flags_.set_version(flags_.version() + 1);
    SetCurrentFlags(*FlagSet::Make(flags_));
    return *this;
  }
  ~TestFlags() { ForgetFlags(); }

 private:
  v1::SetFlagsRequest flags_;
};

TEST_F(LocalOrchestrationTest, FlagsSayForWhomPassagesAreOrderedAnewAndHowManyThereAre) {
  TestFlags flags;
  flags.Add("chat-passages", v1::FLAG_TYPE_INTEGER, "11", "acme")
      .Add("chat-rerank", v1::FLAG_TYPE_BOOLEAN, "true", "acme");
  const auto steps = [this](const char* tenant) {
    auto info = std::make_shared<RequestInfo>(SystemCtx().info());
    info->tenant = tenant;
    return SyncWait(ReadAll(&**door_, Question("How tall is the tower?"), Ctx(std::move(info), {})))
        .steps;
  };
  EXPECT_THAT(steps("acme"), ::testing::ElementsAre("retrieve", "rerank", "extract"));
  EXPECT_EQ(retrieval_.last_limit, 11u);
  EXPECT_THAT(steps("other"), ::testing::ElementsAre("retrieve", "extract"));
  EXPECT_EQ(retrieval_.last_limit, 6u);
}

TEST_F(LocalOrchestrationTest, WhoWantsTheAnswerOnlyIsToldOfNothingElse) {
  v1::RunRequest request = Question("How tall is the tower?", v1::ANSWER_MODE_GENERATIVE);
  const Outcome all = RunIt(request);
  EXPECT_FALSE(all.steps.empty());
  EXPECT_GT(all.passages, 0);
  request.set_answer_only(true);
  const Outcome outcome = RunIt(request);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.answer, all.answer);
  EXPECT_THAT(outcome.steps, ::testing::IsEmpty());
  EXPECT_EQ(outcome.passages, 0);
}

TEST_F(LocalOrchestrationTest, ARunBeginsOnlyWhereItsCollectionIs) {
  v1::RunRequest request = Question("How tall is the tower?");
  request.set_collection("nowhere");
  EXPECT_TRUE(absl::IsNotFound(SyncWait((*door_)->Run(SystemCtx(), request)).status()));
}

TEST_F(LocalOrchestrationTest, AnswersComeWholeWhereNobodyReadsThemAsTheyAreWritten) {
  v1::RunRequest request = Question("How tall is the tower?", v1::ANSWER_MODE_GENERATIVE);
  EXPECT_TRUE(RunIt(request).status.ok());
  EXPECT_FALSE(inference_.whole);
  request.set_whole(true);
  EXPECT_TRUE(RunIt(request).status.ok());
  EXPECT_TRUE(inference_.whole);
}

TEST_F(LocalOrchestrationTest, RunsBeginWhereTheyAreTold) {
  ThreadPool elsewhere("elsewhere", 1);
  std::atomic<int> asked = 0;
  door_.reset();
  service_ =
      *LocalOrchestration::Make({}, *inference_door_, *retrieval_door_, pool_, [&]() -> Executor& {
        ++asked;
        return elsewhere;
      });
  door_.emplace(*service_);
  const Outcome outcome = RunIt(Question("How tall is the tower?"));
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(asked, 1);
  door_.reset();
  service_.reset();
}

TEST_F(LocalOrchestrationTest, RetryFallbackTimeoutAndParallel) {
  inference_.failures = 1;
  const std::string generate = "{prompt: {text: hi}}, {generate: {}}";
  EXPECT_TRUE(
      RunGraphOf("  - retry: {times: 1, pause: 1ms, steps: [" + generate + "]}", inference_, pool_)
          .status.ok());
  inference_.failures = 2;
  EXPECT_EQ(
      RunGraphOf("  - retry: {times: 1, pause: 1ms, steps: [" + generate + "]}", inference_, pool_)
          .status.code(),
      absl::StatusCode::kUnavailable);
  inference_.failures = 1;
  EXPECT_EQ(RunGraphOf("  - fallback: {steps: [" + generate +
                           "], otherwise: [{prompt: {text: sorry, into: answer}}]}",
                       inference_, pool_)
                .answer,
            "sorry");
  inference_.endless = true;
  EXPECT_EQ(RunGraphOf("  - timeout: {after: 5ms, steps: [" + generate + "]}", inference_, pool_)
                .status.code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(
      RunGraphOf(
          "  - parallel: [[{prompt: {text: one, into: a}}], [{prompt: {text: two, into: b}}]]\n"
          "  - prompt: {text: \"{a}{b}\", into: answer}",
          inference_, pool_)
          .answer,
      "onetwo");
}

}  // namespace
}  // namespace tessera
