// What goes over the wire between the CLI and a server: forms up, JSON down.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/api_json.h"
#include "app/multipart.h"
#include "base/str.h"
#include "base/task.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// The whole of a stream, pulled on this thread.
Result<std::string> ReadStream(StreamPtr<std::string> stream) {
  std::string all;
  while (true) {
    TRY(std::optional<std::string> piece, SyncWait(stream->Next(Ctx())));
    if (!piece) return all;
    all += *piece;
  }
}

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): googletest derives from it
class MultipartTest : public ::testing::Test {
 protected:
  MultipartTest() {
    std::string path = (fs::temp_directory_path() / "tessera-form-XXXXXX").string();
    CHECK(::mkdtemp(path.data()) != nullptr);
    root_ = path;
  }
  ~MultipartTest() override { fs::remove_all(root_); }
  IngestFile Write(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
    return {(root_ / name).string(), name, text.size()};
  }
  fs::path root_;
};

TEST_F(MultipartTest, FieldsAndFiles) {
  MultipartForm form;
  form.AddField("links", "[]");
  IngestFile file = Write("a.txt", "hello");
  file.name = "x/\"a\".txt";
  form.AddFile(file);
  const std::string big(700'000, 'b');
  form.AddFile(Write("b.txt", big));
  const std::string boundary = form.content_type().substr(30);
  const auto body = ReadStream(form.Body());
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(body->size(), form.size());
  EXPECT_EQ(
      *body,
      StrCat("--", boundary, "\r\nContent-Disposition: form-data; name=\"links\"\r\n\r\n[]\r\n",
             "--", boundary,
             "\r\nContent-Disposition: form-data; name=\"files\"; filename=\"x/%22a%22.txt\"\r\n"
             "Content-Type: application/octet-stream\r\n\r\nhello\r\n",
             "--", boundary,
             "\r\nContent-Disposition: form-data; name=\"files\"; filename=\"b.txt\"\r\n"
             "Content-Type: application/octet-stream\r\n\r\n",
             big, "\r\n--", boundary, "--\r\n"));
}

TEST_F(MultipartTest, AFileThatChangesIsNamed) {
  IngestFile file = Write("a.txt", "hello");
  file.bytes = 9;
  MultipartForm shrunk;
  shrunk.AddFile(file);
  EXPECT_THAT(ReadStream(shrunk.Body()).status().ToString(), HasSubstr("a.txt: shrank"));
  file.bytes = 2;
  MultipartForm grown;
  grown.AddFile(file);
  EXPECT_THAT(ReadStream(grown.Body()).status().ToString(), HasSubstr("a.txt: grew"));
  fs::remove(file.path);
  MultipartForm gone;
  gone.AddFile(file);
  EXPECT_THAT(ReadStream(gone.Body()).status().ToString(), HasSubstr("a.txt: cannot be read"));
}

TEST(ApiJsonTest, Job) {
  const auto job = ParseJob(R"({"id":"job-1","state":"running","sources":3,"succeeded":1,"failed":1,
    "chunks":12,"bytes_total":100,"bytes_done":50,"chunks_per_second":4.5,"unknown":{},
    "progress":[{"name":"a.pdf","state":"failed","error_code":"encrypted","error":"needs a password"}]})");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(job->chunks(), 12u);
  EXPECT_EQ(job->chunks_per_second(), 4.5);
  EXPECT_EQ(job->progress(0).state(), v1::SOURCE_STATE_FAILED);
  EXPECT_EQ(job->progress(0).error_code(), "encrypted");
  EXPECT_FALSE(ParseJob("{}").ok());
  EXPECT_FALSE(ParseJob("<html>").ok());
}

TEST(ApiJsonTest, ChatChunks) {
  Answer answer;
  EXPECT_EQ(
      *TakeChatChunk(R"({"model":"smollm2","choices":[{"delta":{"content":"It ends "}}]})", answer),
      "It ends ");
  EXPECT_EQ(*TakeChatChunk(R"({"choices":[{"delta":{"content":"[1].","annotations":[
      {"type":"url_citation","number":1,"document":"c.pdf","document_id":"file-1","page":3,"quote":"q",
       "url":"/documents/file-1?chunk=7&start=10&end=42"}]}}],
      "tessera":{"answer_mode":"extractive","nothing_found":false}})",
                           answer),
            "[1].");
  EXPECT_EQ(answer.text, "It ends [1].");
  EXPECT_EQ(answer.mode, v1::ANSWER_MODE_EXTRACTIVE);
  ASSERT_EQ(answer.citations.size(), 1u);
  EXPECT_EQ(answer.citations[0].chunk(), 7u);
  EXPECT_EQ(answer.citations[0].start(), 10u);
  EXPECT_EQ(answer.citations[0].end(), 42u);
  EXPECT_THAT(TakeChatChunk(R"({"error":{"message":"model crashed"}})", answer).status().ToString(),
              HasSubstr("model crashed"));
}

TEST(ApiJsonTest, CitationsInOpenAisShape) {
  Answer answer;
  ASSERT_TRUE(
      TakeChatChunk(R"({"choices":[{"delta":{"annotations":[{"type":"url_citation","number":2,
      "document":"a/b.md","url_citation":{"url":"http://h/documents/file-1?chunk=3&start=5&end=9",
      "title":"a/b.md","start_index":4,"end_index":7}}]}}]})",
                    answer)
          .ok());
  ASSERT_EQ(answer.citations.size(), 1u);
  EXPECT_EQ(answer.citations[0].chunk(), 3u);
  EXPECT_EQ(answer.citations[0].answer_start(), 4u);
  EXPECT_EQ(answer.citations[0].document_name(), "a/b.md");
}

TEST(ApiJsonTest, SearchAndModels) {
  const auto reply = ParseSearchReply(R"({"hits":[{"document":{"id":"file-1","name":"a.md"},
      "chunk":{"ordinal":2,"text":"t","heading":"H","page":4,"start":1,"end":2},"score":0.5}]})");
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->hits(0).chunk().page(), 4u);
  EXPECT_EQ(reply->hits(0).document().name(), "a.md");
  const auto models = ParseSystem(
      R"({"models":[{"name":"minilm","kind":"embedder","backend":"openvino","is_default":true}]})");
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_EQ(models->models(0).kind(), v1::MODEL_KIND_EMBEDDER);
  EXPECT_TRUE(models->models(0).is_default());
}

TEST(ApiJsonTest, ErrorsOfEveryShape) {
  EXPECT_EQ(ParseError(404, R"({"title":"Not Found","detail":"no collection \"x\""})"),
            absl::NotFoundError("no collection \"x\""));
  EXPECT_EQ(ParseError(400, R"({"error":{"message":"bad"}})"), absl::InvalidArgumentError("bad"));
  EXPECT_THAT(ParseError(401, "").ToString(), HasSubstr("--key"));
  EXPECT_THAT(ParseError(502, "<html>").ToString(), HasSubstr("HTTP status 502"));
}

}  // namespace
}  // namespace tessera
