#include "extract/extractor.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extract/testing/collect.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

/// A folder that goes with the test.
class TempFolder {
 public:
  TempFolder() {
    path_ = std::filesystem::temp_directory_path().string() + "/extract-test-XXXXXX";
    CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  bool empty() const { return std::filesystem::is_empty(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(ExtractorTest, TextGoesThroughTheWorker) {
  Extractor extractor(TestConfig());
  const auto documents = Extract(extractor, "# Title\n\nHello *world*.\n", "a.md");
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].Outline(), "heading1: Title\nparagraph: Hello world.\n");
  EXPECT_EQ(documents[0].start.title, "Title");
  EXPECT_EQ(documents[0].info.media_type, "text/markdown");
  EXPECT_EQ(documents[0].ErrorName(), "");
}

TEST(ExtractorTest, FileOnDisk) {
  TempFolder folder;
  std::ofstream(folder.Path("a.csv")) << "name,age\nAda,36\n";
  Extractor extractor(TestConfig());
  auto extraction = extractor.Open(folder.Path("a.csv"), "people.csv");
  ASSERT_TRUE(extraction.ok()) << extraction.status();
  const auto documents = Drain(**extraction);
  ASSERT_TRUE(documents.ok());
  EXPECT_EQ((*documents)[0].Outline(), "row: name: Ada; age: 36\n");
  EXPECT_EQ((*documents)[0].info.name, "people.csv");
}

TEST(ExtractorTest, WhatCannotBeOpenedIsAnErrorOfTheDocument) {
  TempFolder folder;
  Extractor extractor(TestConfig());
  ::mkfifo(folder.Path("pipe").c_str(), 0600);
  for (const std::string& path : {folder.Path("missing"), folder.path(), folder.Path("pipe")}) {
    auto extraction = extractor.Open(path, "x.txt");
    ASSERT_TRUE(extraction.ok());
    const auto documents = Drain(**extraction);
    ASSERT_TRUE(documents.ok());
    EXPECT_EQ((*documents)[0].ErrorName(), "unreadable") << path;
  }
}

TEST(ExtractorTest, TooLargeAFileIsRefusedUnread) {
  TempFolder folder;
  std::ofstream(folder.Path("a.txt")) << std::string(2000, 'x');
  ExtractConfig config = TestConfig();
  config.file_bytes_max.count = 1000;
  Extractor extractor(config);
  auto extraction = extractor.Open(folder.Path("a.txt"), "a.txt");
  ASSERT_TRUE(extraction.ok());
  EXPECT_EQ((*Drain(**extraction))[0].ErrorName(), "too_large");
}

TEST(ExtractorTest, NoWorkerProgramIsUnavailable) {
  ExtractConfig config = TestConfig();
  for (const char* program : {"/nonexistent/worker", "/bin/true"}) {
    config.worker = {program};
    Extractor extractor(config);
    EXPECT_EQ(extractor.OpenBytes("x", "x.txt").status().code(), absl::StatusCode::kUnavailable);
  }
}

TEST(ExtractorTest, ManySideBySide) {
  Extractor extractor(TestConfig());
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const std::string text = "text " + std::to_string(t) + " " + std::to_string(i);
        right += Extract(extractor, text, "a.txt")[0].Text() == text + "\n";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 40);
}

std::string BigText(std::size_t bytes) {
  std::string text;
  text.reserve(bytes + 100);
  for (int i = 0; text.size() < bytes; ++i) {
    text += "Paragraph " + std::to_string(i) + " of a long file that must stream through.\n\n";
  }
  return text;
}

TEST(ExtractorTest, EndingEarlyStopsTheJobAndCleansUp) {
  TempFolder folder;
  ExtractConfig config = TestConfig();
  config.temp_dir = folder.path();
  Extractor extractor(config);
  {
    auto extraction = extractor.OpenBytes(BigText(8 << 20), "a.txt");
    ASSERT_TRUE(extraction.ok());
    ExtractEvent event;
    ASSERT_TRUE(*(*extraction)->Next(event));
    EXPECT_FALSE(folder.empty());
  }
  // The next job on the same worker is served after the first was killed and cleaned up.
  for (int tries = 0; tries < 1000 && !folder.empty(); ++tries) {
    EXPECT_EQ(Extract(extractor, "ok", "a.txt")[0].Text(), "ok\n");
  }
  EXPECT_TRUE(folder.empty());
}

/// kill -9 of the platform: the worker sees its socket close, kills its jobs and tidies up.
TEST(ExtractorTest, NothingIsLeftBehindWhenThePlatformDies) {
  TempFolder folder;
  const pid_t platform = ::fork();
  if (platform == 0) {
    ExtractConfig config = TestConfig();
    config.temp_dir = folder.path();
    config.worker.emplace_back("hang");
    Extractor extractor(config);
    auto extraction = extractor.OpenBytes("x", "a.txt");
    for (int tries = 0; tries < 1000 && folder.empty(); ++tries) ::poll(nullptr, 0, 10);
    ::kill(::getpid(), folder.empty() ? SIGTERM : SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(platform, &status, 0), platform);
  ASSERT_EQ(WTERMSIG(status), SIGKILL);  // the job's folder was there
  for (int tries = 0; tries < 1000 && !folder.empty(); ++tries) ::poll(nullptr, 0, 10);
  EXPECT_TRUE(folder.empty());
}

TEST(ExtractorTest, CancelWakesAReaderThatWaits) {
  ExtractConfig config = TestConfig();
  config.worker.emplace_back("hang");
  Extractor extractor(config);
  CancelSource source;
  auto extraction = extractor.OpenBytes("x", "a.txt", source.token());
  ASSERT_TRUE(extraction.ok()) << extraction.status();
  std::thread canceller([&] { source.Cancel(absl::CancelledError("user")); });
  ExtractEvent event;
  const auto more = (*extraction)->Next(event);
  canceller.join();
  EXPECT_EQ(more.status().code(), absl::StatusCode::kCancelled);
}

TEST(ExtractorTest, HangingReaderIsATimeoutAndIsKilled) {
  TempFolder folder;
  ExtractConfig config = TestConfig();
  config.temp_dir = folder.path();
  config.worker.emplace_back("hang");
  config.stall_max = std::chrono::seconds(1);
  Extractor extractor(config);
  EXPECT_EQ(Extract(extractor, "x", "a.txt")[0].ErrorName(), "timeout");
  // Its folder goes when it is dead.
  for (int tries = 0; tries < 1000 && !folder.empty(); ++tries) ::poll(nullptr, 0, 10);
  EXPECT_TRUE(folder.empty());
}

TEST(ExtractorTest, SpinningReaderIsATimeout) {
  ExtractConfig config = TestConfig();
  config.worker.emplace_back("spin");
  config.cpu_max = std::chrono::seconds(1);
  Extractor extractor(config);
  EXPECT_EQ(Extract(extractor, "x", "a.txt")[0].ErrorName(), "timeout");
}

TEST(ExtractorTest, CrashCostsOneFileOnly) {
  ExtractConfig config = TestConfig();
  config.worker.emplace_back("crash");
  Extractor extractor(config);
  const auto crashed = Extract(extractor, "please crash", "bad.txt");
  EXPECT_EQ(crashed[0].ErrorName(), "corrupt");
  EXPECT_EQ(crashed[0].info.name, "bad.txt");
  EXPECT_EQ(Extract(extractor, "fine", "good.txt")[0].Text(), "fine\n");
}

TEST(ExtractorTest, GarbageFromTheWorkerIsContained) {
  ExtractConfig config = TestConfig();
  config.worker.emplace_back("garbage");
  Extractor extractor(config);
  EXPECT_EQ(Extract(extractor, "x", "a.txt")[0].ErrorName(), "corrupt");
}

#ifndef TESSERA_SANITIZED  // address space cannot be limited under them
TEST(ExtractorTest, HungerForMemoryIsTooLarge) {
  ExtractConfig config = TestConfig();
  config.worker.emplace_back("eat");
  config.memory_bytes_max.count = 64 << 20;
  Extractor extractor(config);
  EXPECT_EQ(Extract(extractor, "x", "a.txt")[0].ErrorName(), "too_large");
}
#endif

TEST(ExtractorTest, WorkerThatDiesIsStartedAgain) {
  TempFolder folder;  // a killed worker leaves its job's folder behind
  ExtractConfig config = TestConfig();
  config.temp_dir = folder.path();
  Extractor extractor(config);
  EXPECT_EQ(Extract(extractor, "one", "a.txt")[0].Text(), "one\n");
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(entry.path() / "children");
    for (int pid = 0; children >> pid;) {
      ::kill(pid, SIGKILL);
      siginfo_t info = {};
      ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
    }
  }
  EXPECT_EQ(Extract(extractor, "two", "a.txt")[0].Text(), "two\n");
}

/// What the sandbox forbids, tried from inside: the job answers with a paragraph an attempt.
TEST(ExtractorTest, SandboxHoldsBackNetworkFilesAndSignals) {
  TempFolder folder;
  std::ofstream(folder.Path("secret")) << "owner key";
  ExtractConfig config = TestConfig();
  config.worker.emplace_back("escape");
  config.worker.push_back(folder.Path("secret"));
  Extractor extractor(config);
  EXPECT_EQ(Extract(extractor, "x", "a.txt")[0].Outline(),
            "paragraph: socket: denied\n"
            "paragraph: kill parent: denied\n"
            "paragraph: user namespace: denied\n"
            "paragraph: ptrace: denied\n"
            "paragraph: read secret: denied\n"
            "paragraph: write /tmp: denied\n"
            "paragraph: write own folder: allowed\n"
            "paragraph: open input again: allowed\n");
}

/// Whether ./test --long runs.
bool LongTests() { return std::getenv("TESSERA_TEST_LONG") != nullptr; }

/// Peak memory of this process and of all ended children, in bytes.
std::size_t PeakBytes(int who) {
  rusage usage = {};
  ::getrusage(who, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

TEST(ExtractorTest, LongTextStreamsInBoundedMemory) {
  const std::size_t kBytes = LongTests() ? 1ull << 30 : 50ull << 20;
  TempFolder folder;
  {
    std::ofstream file(folder.Path("big.txt"));
    const std::string part = BigText(1 << 20);
    for (std::size_t written = 0; written < kBytes; written += part.size()) file << part;
  }
  ExtractConfig config = TestConfig();
  config.memory_bytes_max.count = 64 << 20;  // the worker cannot cheat
  const std::size_t before = PeakBytes(RUSAGE_SELF);
  std::size_t bytes = 0;
  {
    Extractor extractor(config);
    auto extraction = extractor.Open(folder.Path("big.txt"), "big.txt");
    ASSERT_TRUE(extraction.ok());
    ExtractEvent event;
    while (*(*extraction)->Next(event)) {
      bytes += event.block.text.size();
      EXPECT_FALSE(event.error.has_value());
    }
  }
  EXPECT_GT(bytes, kBytes * 9 / 10);
  EXPECT_LT(PeakBytes(RUSAGE_SELF) - before, 32u << 20);
}

}  // namespace
}  // namespace tessera
