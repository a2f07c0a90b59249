#include "telemetry/log.h"

#include <csignal>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ctx.h"
#include "telemetry/log_pipeline.h"
#include "telemetry/log_site.h"
#include "telemetry/process_name.h"

namespace tessera {
namespace {

using std::chrono::seconds;

/// What came out of a pipe so far, and a pipeline that writes into it.
class LogTest : public testing::Test {
 protected:
  LogTest() {
    SetLogLevels({});
    SetLogStorm({.burst = 100, .per_second = 0});
    EXPECT_EQ(::pipe2(pipe_, O_CLOEXEC), 0);
  }
  ~LogTest() override {
    LogPipeline::Process().Stop();
    ::close(pipe_[0]);
    if (pipe_[1] >= 0) ::close(pipe_[1]);
    SetLogLevels({});
    SetLogStorm({});
  }
  LogPipeline::Options Options(LogFormat format = LogFormat::kText) {
    LogPipeline::Options options;
    options.fd = pipe_[1];
    options.format = format;
    options.origin = {.service = "tessera", .version = "", .node = "", .pid = 7};
    SetProcessName({.group = "inference", .process = "inference-0"});
    return options;
  }
  std::string Read(std::size_t bytes_max = 1 << 20) {
    EXPECT_TRUE(LogPipeline::Process().Flush(seconds(20)));
    return Take(bytes_max);
  }
  std::string Take(std::size_t bytes_max = 1 << 20) const {
    std::string text(bytes_max, '\0');
    ::fcntl(pipe_[0], F_SETFL, O_NONBLOCK);
    const ssize_t size = ::read(pipe_[0], text.data(), text.size());
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
  }
  static std::size_t Count(std::string_view text, std::string_view what) {
    std::size_t count = 0;
    for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
    return count;
  }
  int pipe_[2] = {-1, -1};
};

TEST_F(LogTest, ALineForPeople) {
  LogPipeline::Process().Start(Options());
  Log(LogLevel::kWarning, "it is late", {{"minutes", 3}, {"who", "a \"b\"\n\x1b[2J"}});
  const std::string text = Read();
  EXPECT_TRUE(
      text.ends_with(" warning telemetry: it is late minutes=\"3\" "
                     "who=\"a \\\"b\\\"\\u000a\\u001b[2J\"\n"))
      << text;
}

TEST_F(LogTest, JsonHasTheFieldsOfEcsAndTheRequest) {
  LogPipeline::Process().Start(Options(LogFormat::kJson));
  auto info = std::make_shared<RequestInfo>();
  info->request_id = "req-1";
  info->tenant = "acme";
  info->trace = {.high = 0x4bf92f3577b34da6, .low = 0xa3ce929d0e0e4736, .sampled = true};
  Ctx ctx(info, {});
  ctx.EnterSpan(0xf067aa0ba902b7);
  Log(ctx, LogLevel::kError, "a call failed",
      {{"reason", "UNAVAILABLE: nobody answers"}, {"tries", 3U}});
  const std::string text = Read();
  for (const std::string_view part :
       {R"("log.level":"error","message":"a call failed","ecs.version":"8.11.0")",
        R"("log.logger":"telemetry","log.origin.file.name":"src/telemetry/log_test.cc")",
        R"("service.name":"tessera","service.node.name":"inference-0","process.pid":7)",
        R"("trace.id":"4bf92f3577b34da6a3ce929d0e0e4736","span.id":"00f067aa0ba902b7")",
        R"("http.request.id":"req-1")",
        R"("error.message":"UNAVAILABLE: nobody answers","error.type":"UNAVAILABLE")",
        R"("labels":{"tenant":"acme","tries":"3"}})"})
    EXPECT_NE(text.find(part), text.npos) << part << "\n" << text;
  EXPECT_TRUE(text.starts_with(R"({"@timestamp":"20)"));
}

TEST_F(LogTest, LevelsAreChangedByModuleWhileItRuns) {
  LogPipeline::Process().Start(Options());
  const auto say = [] { Log(LogLevel::kDebug, "details"); };
  say();
  SetLogLevels({.others = LogLevel::kInfo, .modules = {{"edge", LogLevel::kDebug}}});
  say();
  EXPECT_EQ(Read(), "");
  SetLogLevels({.others = LogLevel::kInfo, .modules = {{"telemetry", LogLevel::kDebug}}});
  say();
  EXPECT_EQ(Count(Read(), "details"), 1U);
  SetLogLevels({.others = LogLevel::kDebug, .modules = {{"telemetry", LogLevel::kError}}});
  say();
  EXPECT_EQ(Read(), "");
}

TEST(LogModuleTest, IsTheFolderBelowSource) {
  EXPECT_EQ(ModuleOf("./src/services/retrieval/search.cc"), "services/retrieval");
  EXPECT_EQ(ModuleOf("/home/a/src/b/src/edge/edge.cc"), "edge");
  EXPECT_EQ(ModuleOf("src/main.cc"), "other");
  EXPECT_EQ(ModuleOf("tests/x.cc"), "other");
}

TEST_F(LogTest, AStormIsCountedAndToldOfWithTheNextRecord) {
  SetLogStorm({.burst = 5, .per_second = 1'000'000});
  LogPipeline::Process().Start(Options());
  SetLogStorm({.burst = 5, .per_second = 1});
  const auto say = [](int i) { Log(LogLevel::kInfo, "again", {{"i", i}}); };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) say(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::size_t written = Count(Read(), "again");
  EXPECT_GE(written, 5U);
  EXPECT_LE(written, 8U);  // a second may have passed
  SetLogStorm({.burst = 5, .per_second = 0});
  SetLogStorm({.burst = 1'000'000, .per_second = 1});
  say(-1);
  const std::string text = Read();
  EXPECT_NE(text.find(StrCat(" suppressed=", 4000 - written, "\n")), text.npos) << text;
}

TEST_F(LogTest, AReaderThatDoesNotReadStopsNobodyAndDropsAreExact) {
  auto options = Options();
  options.output_bytes = 20'000;
  LogPipeline::Process().Start(options);
  const auto before = LogPipeline::Process().drops();
  const std::uint64_t first = LogPipeline::Process().ring().last();
  constexpr std::uint64_t kRecords = 3000;
  const std::string filler(100, 'x');
  const SteadyTime start = Now();
  for (std::uint64_t i = 0; i < kRecords; ++i)
    Log(LogLevel::kInfo, "flood", {{"i", i}, {"filler", filler}});
  EXPECT_LT(Now() - start, seconds(5));
  // The ring has them although nobody reads.
  while (LogPipeline::Process().ring().last() < first + kRecords) std::this_thread::yield();
  std::string text;
  while (!LogPipeline::Process().Flush(std::chrono::milliseconds(20))) text += Take();
  text += Take();
  Log(LogLevel::kInfo, "the end");
  while (text.find("the end") == text.npos) text += Read();
  const std::uint64_t dropped = LogPipeline::Process().drops().output - before.output;
  EXPECT_GT(dropped, 100U);
  EXPECT_EQ(Count(text, "flood"), kRecords - dropped);
  std::uint64_t told = 0;
  constexpr std::string_view kTold = "output_slow=\"";
  for (std::size_t at = text.find(kTold); at != text.npos; at = text.find(kTold, at + 1))
    told += std::strtoull(text.c_str() + at + kTold.size(), nullptr, 10);
  EXPECT_EQ(told, dropped);
}

TEST_F(LogTest, AFullQueueDropsAndCounts) {
  auto options = Options();
  options.queue_bytes = 4000;
  LogPipeline::Process().Start(options);
  const auto before = LogPipeline::Process().drops();
  const std::uint64_t first = LogPipeline::Process().ring().last();
  for (int i = 0; i < 2000; ++i) Log(LogLevel::kInfo, "flood");
  std::string text;
  while (!LogPipeline::Process().Flush(std::chrono::milliseconds(20))) text += Take();
  text += Take();
  const std::uint64_t dropped = LogPipeline::Process().drops().queue - before.queue;
  EXPECT_GT(dropped, 0U);
  EXPECT_EQ(Count(text, ": flood"), 2000 - dropped);
  EXPECT_GE(LogPipeline::Process().ring().last() - first, 2000 - dropped);
}

TEST_F(LogTest, SecretsDoNotLeaveTheProcess) {
  auto options = Options();
  options.redactor = std::make_shared<const Redactor>(
      std::vector<std::string>{"correct horse"},
      RedactionRules{
          .email = true, .phone = true, .iban = true, .card = true, .patterns = {"Q[0-9]+"}});
  LogPipeline::Process().Start(options);
  Log(LogLevel::kInfo, "said correct horse",
      {{"api_key", "abc"},
       {"tokens", 12},
       {"a", "Authorization: Bearer abcdef123456"},
       {"b", "mail a.b@example.org, call +49 30 1234567"},
       {"c", "GB29 NWBK 6016 1331 9268 19 and GB29 NWBK 6016 1331 9268 20"},
       {"d", "4111 1111 1111 1111 and 4111 1111 1111 1112"},
       {"e", "case Q42"},
       {"f", "\xff\xfe bytes"}});
  const std::string text = Read();
  EXPECT_NE(
      text.find("said *** api_key=\"***\" tokens=\"12\" a=\"Authorization: Bearer ***\" "
                "b=\"mail ***, call ***\" c=\"*** and GB29 NWBK 6016 1331 9268 20\" d=\"*** "
                "and 4111 1111 1111 1112\" e=\"case ***\" f=\"\xEF\xBF\xBD\xEF\xBF\xBD bytes\""),
      text.npos)
      << text;
}

TEST_F(LogTest, TheRingNumbersWithoutGapsAndKeepsToItsBound) {
  LogRing ring(4000);
  for (int i = 0; i < 100; ++i) {
    LogRecord record;
    record.message = StrCat(i);
    EXPECT_EQ(ring.Add(std::move(record))->sequence, static_cast<std::uint64_t>(i + 1));
  }
  const auto all = ring.After(0, 1000);
  ASSERT_FALSE(all.empty());
  EXPECT_LT(all.size(), 40U);
  EXPECT_EQ(all.back()->sequence, 100U);
  EXPECT_EQ(ring.After(98, 1000).size(), 2U);
  EXPECT_EQ(ring.After(98, 1).front()->sequence, 99U);
  EXPECT_TRUE(ring.After(100, 10).empty());
}

TEST_F(LogTest, WhatWasSaidBeforeAnAbortIsWritten) {
  const pid_t child = ::fork();
  if (child == 0) {
    const LogRun run(Options());
    for (int i = 0; i < 50; ++i) Log(LogLevel::kInfo, "last words", {{"i", i}});
    std::abort();
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_EQ(Count(Take(), "last words"), 50U);
}

}  // namespace
}  // namespace tessera
