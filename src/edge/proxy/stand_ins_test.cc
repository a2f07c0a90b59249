#include "edge/proxy/stand_ins.h"

#include <gmock/gmock.h>

#include "base/fault.h"
#include "base/str.h"
#include "edge/proxy/test_upstream.h"
#include "net/http_error.h"
#include "tessera/v1/inference_rpc.tessera.h"
#include "tessera/v1/retrieval_rpc.tessera.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// What is not given to somebody else.
class OwnInference final : public UnimplementedInference {
 public:
  Task<Result<v1::ListModelsReply>> ListModels(Ctx, v1::ListModelsRequest) override {
    v1::ListModelsReply reply;
    reply.add_models()->set_name("own");
    co_return reply;
  }
};
class OwnRetrieval final : public UnimplementedRetrieval {
 public:
  Task<Result<v1::Collection>> GetCollection(Ctx, v1::GetCollectionRequest request) override {
    v1::Collection collection;
    collection.set_name(request.name());
    co_return collection;
  }
};

class StandInTest : public ::testing::Test {
 protected:
  RestMethodConfig At(std::string_view path, RestShape shape) {
    RestMethodConfig config;
    config.url = upstream_.Url(path);
    config.shape = shape;
    config.timeout = std::chrono::seconds(5);
    return config;
  }
  std::shared_ptr<Inference> Inferring(const StandInConfig& config) {
    auto made =
        StandIn(config, std::shared_ptr<Inference>(std::make_shared<OwnInference>()), loops_);
    EXPECT_TRUE(made.ok()) << made.status();
    return *made;
  }
  void Say(std::string json) {
    upstream_.Answer([json](const HttpRequest&) { return HttpReply::Json(200, json); });
  }

  IoLoops loops_{1};
  TestUpstream upstream_;
};

v1::EmbedRequest Texts(std::vector<std::string> texts) {
  v1::EmbedRequest request;
  for (std::string& text : texts) request.add_texts(std::move(text));
  return request;
}

TEST_F(StandInTest, TeiEmbeds) {
  StandInConfig config;
  config.inference.embed = At("/embed", RestShape::kTei);
  config.inference.embed->model = "bge";
  const auto inference = Inferring(config);
  Say("[[0.25,-1],[3e-1,2]]");
  const auto reply = SyncWait(inference->Embed(SystemCtx(), Texts({"a", "b"})));
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_EQ(reply->vectors_size(), 2);
  EXPECT_THAT(reply->vectors(0).values(), ElementsAre(0.25F, -1.0F));
  EXPECT_EQ(reply->dimension(), 2U);
  EXPECT_EQ(reply->model(), "bge");
  EXPECT_FALSE(reply->digest().empty());
  EXPECT_EQ(upstream_.seen().front().body, R"({"inputs":["a","b"],"truncate":true})");
  EXPECT_FALSE(upstream_.seen().front().request_id.empty());
  EXPECT_FALSE(upstream_.seen().front().traceparent.empty());
  const auto models = SyncWait(inference->ListModels(SystemCtx(), {}));
  EXPECT_EQ(models->models(0).name(), "own") << "the rest is ours";
}

TEST_F(StandInTest, TeiReranks) {
  StandInConfig config;
  config.inference.rerank = At("/rerank", RestShape::kTei);
  v1::RerankRequest request;
  request.set_query("q");
  for (const char* text : {"a", "b", "c"}) request.add_passages(text);
  Say(R"([{"index":2,"score":0.9},{"index":0,"score":0.5},{"index":1,"score":0.1}])");
  const auto reply = SyncWait(Inferring(config)->Rerank(SystemCtx(), request));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_THAT(reply->scores(), ElementsAre(0.5F, 0.1F, 0.9F));
  EXPECT_EQ(upstream_.seen().front().body,
            R"({"query":"q","texts":["a","b","c"],"truncate":true})");
}

TEST_F(StandInTest, OpeaRetrieves) {
  StandInConfig config;
  config.retrieval.search = At("/v1/retrieval", RestShape::kOpea);
  auto made = StandIn(config, std::shared_ptr<Retrieval>(std::make_shared<OwnRetrieval>()), loops_);
  ASSERT_TRUE(made.ok());
  v1::SearchRequest request;
  request.set_query("q");
  request.add_vector(0.5F);
  request.set_limit(2);
  Say(R"({"id":"x","retrieved_docs":[{"id":"1","text":"one"},{"id":"2","text":"two"},)"
      R"({"id":"3","text":"three"}],"initial_query":"q","top_n":1})");
  const auto reply = SyncWait((*made)->Search(SystemCtx(), request));
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_EQ(reply->hits_size(), 2) << "no more than was asked for";
  EXPECT_EQ(reply->hits(0).chunk().text(), "one");
  EXPECT_EQ(reply->hits(1).document().id(), "2");
  EXPECT_GT(reply->hits(0).score(), reply->hits(1).score());
  EXPECT_EQ(upstream_.seen().front().body, R"({"text":"q","embedding":[0.5],"k":2})");
  v1::GetCollectionRequest get;
  get.set_name("ours");
  EXPECT_EQ(SyncWait((*made)->GetCollection(SystemCtx(), get))->name(), "ours");
}

TEST_F(StandInTest, AMappingOfOnesOwn) {
  StandInConfig config;
  config.inference.embed = At("/encode", RestShape::kOwn);
  config.inference.embed->request = {.map = {{.from = "/texts/*", .to = "/items/*/value"}},
                                     .keep_rest = false};
  config.inference.embed->reply = {.map = {{.from = "/out/*/v", .to = "/vectors/*/values"}},
                                   .keep_rest = false};
  Say(R"({"out":[{"v":[1]}]})");
  const auto reply = SyncWait(Inferring(config)->Embed(SystemCtx(), Texts({"a"})));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(upstream_.seen().front().body, R"({"items":[{"value":"a"}]})");
}

TEST_F(StandInTest, WhatDoesNotFitIsAnError) {
  StandInConfig config;
  config.inference.embed = At("/embed", RestShape::kTei);
  const auto inference = Inferring(config);
  for (const char* wrong : {"[[1],[2]]", "[]", "[[\"a\"]]", "{}", "no json", "[[]]", "[[1],2]"}) {
    Say(wrong);
    const auto reply = SyncWait(inference->Embed(SystemCtx(), Texts({"a"})));
    EXPECT_TRUE(absl::IsInternal(reply.status())) << wrong << " " << reply.status();
    EXPECT_THAT(reply.status().ToString(), Not(HasSubstr("127.0.0.1"))) << "it is for clients";
  }
  const std::pair<int, absl::StatusCode> codes[] = {{429, absl::StatusCode::kResourceExhausted},
                                                    {503, absl::StatusCode::kUnavailable},
                                                    {422, absl::StatusCode::kInvalidArgument},
                                                    {404, absl::StatusCode::kNotFound},
                                                    {401, absl::StatusCode::kFailedPrecondition}};
  for (const auto& [http, code] : codes) {
    upstream_.Answer(
        [status = http](const HttpRequest&) { return HttpReply::Text(status, "why"); });
    const auto reply = SyncWait(inference->Embed(SystemCtx(), Texts({"a"})));
    EXPECT_EQ(reply.status().code(), code) << http;
    EXPECT_EQ(StdView(reply.status().message()),
              StrCat("the service behind Inference.Embed answered ", http, ": why"));
  }
  upstream_.Stop();
  EXPECT_EQ(
      SyncWait(inference->Embed(SystemCtx(), Texts({"a"}))).status(),
      WithErrorCode(absl::UnavailableError("the service behind Inference.Embed did not answer"),
                    kUpstreamFailed));
  config.inference.embed->shape = RestShape::kOpea;
  EXPECT_TRUE(absl::IsInvalidArgument(
      StandIn(config, std::shared_ptr<Inference>(std::make_shared<OwnInference>()), loops_)
          .status()));
}

}  // namespace
}  // namespace tessera
