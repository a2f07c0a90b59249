#include "services/orchestration/text_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Knows the model "own", of the digest "d1"; remembers whom it was asked for.
class OneEmbedder final : public UnimplementedInference {
 public:
  Task<Result<v1::EmbedReply>> Embed(Ctx, v1::EmbedRequest request) override {
    asked.push_back(request.model());
    if (request.model() != "own") co_return absl::NotFoundError("there is no embedder");
    v1::EmbedReply reply;
    reply.set_digest("d1");
    reply.add_vectors()->add_values(0.5F);
    co_return reply;
  }
  std::vector<std::string> asked;
};

class OneCollection final : public UnimplementedRetrieval {
 public:
  Task<Result<v1::Collection>> GetCollection(Ctx, v1::GetCollectionRequest) override {
    co_return collection;
  }
  Task<Result<v1::SearchReply>> Search(Ctx, v1::SearchRequest request) override {
    vectors.emplace_back(request.vector().begin(), request.vector().end());
    v1::SearchReply reply;
    reply.add_hits();
    co_return reply;
  }
  v1::Collection collection;
  std::vector<std::vector<float>> vectors;
};

class TextSearchTest : public ::testing::Test {
 protected:
  TextSearchTest() {
    retrieval_.collection.set_name("default");
    retrieval_.collection.set_chunks(1);
    retrieval_.collection.mutable_embedder()->set_model("own");
    retrieval_.collection.mutable_embedder()->set_digest("d1");
    request_.set_collection("default");
    request_.set_query("words");
  }
  Result<TextSearchReply> Search(QueryVector wanted = QueryVector::kWhereNeeded) {
    return SyncWait(SearchByText(Ctx(), &inference_, &retrieval_, request_, wanted));
  }
  OneEmbedder inference_;
  OneCollection retrieval_;
  v1::SearchRequest request_;
};

TEST_F(TextSearchTest, TheCollectionsOwnEmbedderIsAsked) {
  const auto found = Search();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(inference_.asked, ElementsAre("own"));
  EXPECT_THAT(retrieval_.vectors, ElementsAre(ElementsAre(0.5F)));
  EXPECT_THAT(found->vector, ElementsAre(0.5F));
}

TEST_F(TextSearchTest, NothingIsEmbeddedThatNeedsNoVector) {
  request_.set_mode(v1::SEARCH_MODE_BM25);
  EXPECT_EQ(Search()->reply.hits_size(), 1);
  request_.set_mode(v1::SEARCH_MODE_HYBRID);
  request_.add_vector(2);
  EXPECT_EQ(Search()->reply.hits_size(), 1);
  EXPECT_THAT(inference_.asked, ElementsAre());
  request_.clear_vector();
  request_.set_mode(v1::SEARCH_MODE_BM25);
  EXPECT_TRUE(Search(QueryVector::kAlways).ok());
  EXPECT_THAT(inference_.asked, ElementsAre("own"));
}

TEST_F(TextSearchTest, AnEmptyCollectionHasNoHits) {
  retrieval_.collection.set_chunks(0);
  EXPECT_EQ(Search()->reply.hits_size(), 0);
  EXPECT_THAT(retrieval_.vectors, ElementsAre());
}

TEST_F(TextSearchTest, AnEmbedderThatIsGoneOrAnotherSaysHowToMendIt) {
  retrieval_.collection.mutable_embedder()->set_digest("d0");
  const Status changed = Search().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(changed)) << changed;
  EXPECT_THAT(std::string(changed.message()), HasSubstr("tessera collections reembed default"));
  retrieval_.collection.mutable_embedder()->set_model("gone");
  const Status gone = Search().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(gone)) << gone;
  EXPECT_THAT(std::string(gone.message()), HasSubstr("tessera collections reembed default"));
  EXPECT_THAT(retrieval_.vectors, ElementsAre());
}

}  // namespace
}  // namespace tessera
