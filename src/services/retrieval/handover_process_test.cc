// Handover between real processes: one that is paused or killed at a random moment writes nothing
// any more, and all that was acknowledged is there once.

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/str.h"
#include "services/retrieval/local_retrieval.h"
#include "store/test_folder.h"

extern char** environ;

namespace tessera {
namespace {

constexpr int kWriters = 3;
constexpr int kOut = 3;  // the child's answers

void Say(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(kOut, text.data(), text.size()) < 0) _exit(4);
}

int ChunksOf(int number) { return 1 + number % 4; }

// Writes one document; its name tells who wrote it.
Status WriteOne(Retrieval& store, const std::string& name, int chunks) {
  v1::BeginDocumentRequest begin;
  begin.mutable_document()->set_collection("default");
  begin.mutable_document()->set_name(name);
  begin.set_resume_key(name);
  TRY(const auto begun, SyncWait(store.BeginDocument(Ctx(), begin)));
  for (int i = 0; i < chunks; ++i) {
    v1::AppendChunksRequest append;
    append.set_id(begun.id());
    v1::Chunk& chunk = *append.add_chunks();
    chunk.set_ordinal(static_cast<std::uint32_t>(i));
    chunk.set_text(StrCat("word", name));
    chunk.add_vector(1);
    TRY(SyncWait(store.AppendChunks(Ctx(), append)));
  }
  v1::CommitDocumentRequest commit;
  commit.set_id(begun.id());
  return SyncWait(store.CommitDocument(Ctx(), commit)).status();
}

void WriteUntilRefused(Retrieval& store, std::string child, int writer) {
  for (int number = 0;; ++number) {
    const std::string name = StrCat("c", child, "w", writer, "n", number);
    const Status status = WriteOne(store, name, ChunksOf(number));
    Say(status.ok() ? StrCat("ack ", name, " ", ChunksOf(number))
                    : StrCat("refused ", static_cast<int>(status.code())));
    if (!status.ok()) return;
  }
}

// The process under test. TESSERA_HANDOVER="data folder;its number". Commands on fd 0, a line each.
TEST(HandoverChild, DISABLED_Run) {
  const std::vector<std::string> parts = absl::StrSplit(std::getenv("TESSERA_HANDOVER"), ';');
  auto data = DataFolder::Join(parts[0]);
  ASSERT_TRUE(data.ok()) << data.status();
  ThreadPool pool("blocking", 4);
  auto store = LocalRetrieval::OpenStandby({}, *data, pool);
  ASSERT_TRUE(store.ok()) << store.status();
  Say("ready");
  std::vector<std::thread> writers;
  for (std::string command; std::getline(std::cin, command);) {
    Status status;
    if (command == "activate") status = SyncWait((*store)->Activate(Ctx()));
    if (command == "yield") status = SyncWait((*store)->Yield(Ctx()));
    if (command == "write") {
      for (int writer = 0; writer < kWriters; ++writer)
        writers.emplace_back([&, writer] { WriteUntilRefused(**store, parts[1], writer); });
    }
    Say(StrCat(command, " ", static_cast<int>(status.code())));
  }
  _exit(0);
}

// The parent's side of a child: sends commands, gathers its answers.
class Child {
 public:
  Child(const std::string& data, int number) {
    int in[2];
    int out[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], kOut);
    const std::string setting = StrCat("TESSERA_HANDOVER=", data, ";", number);
    std::vector<char*> environment;
    for (char** one = environ; *one != nullptr; ++one) environment.push_back(*one);
    environment.push_back(const_cast<char*>(setting.c_str()));
    environment.push_back(nullptr);
    const char* arguments[] = {"retrieval_tests", "--gtest_also_run_disabled_tests",
                               "--gtest_filter=HandoverChild.DISABLED_Run", nullptr};
    EXPECT_EQ(posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, const_cast<char**>(arguments),
                          environment.data()),
              0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    in_ = in[1];
    reader_ = std::thread([this, fd = out[0]] { Read(fd); });
    EXPECT_TRUE(Await("ready")) << "child " << number << " did not start";
  }
  ~Child() {
    Kill();
    close(in_);
    reader_.join();
  }

  void Send(const std::string& command) {
    const std::string line = command + "\n";
    EXPECT_EQ(::write(in_, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  }
  // Until it has said such a line, which is taken away; false: it did not in time.
  bool Await(const std::string& line, Duration time = std::chrono::seconds(60)) {
    std::unique_lock lock(mutex_);
    const auto found = [&] {
      const auto it = std::find(answers_.begin(), answers_.end(), line);
      if (it == answers_.end()) return false;
      answers_.erase(it);
      return true;
    };
    return changed_.wait_for(lock, time, found);
  }
  bool Do(const std::string& command) {
    Send(command);
    return Await(StrCat(command, " 0"));
  }
  void AwaitAcks(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60),
                                  [&] { return acknowledged_.size() >= count || ended_; }));
  }
  void Signal(int signal) { EXPECT_EQ(kill(pid_, signal), 0); }
  void Kill() {
    if (pid_ == 0) return;
    Signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_; });  // all it has said is read
  }
  std::map<std::string, int> acknowledged() {
    std::lock_guard lock(mutex_);
    return acknowledged_;
  }

 private:
  void Read(int fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t size; (size = read(fd, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(size));
      std::lock_guard lock(mutex_);
      for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
        const std::vector<std::string> words = absl::StrSplit(text.substr(0, end), ' ');
        int chunks = 0;
        if (words[0] == "ack" && absl::SimpleAtoi(words[2], &chunks))
          acknowledged_[words[1]] = chunks;
        else
          answers_.push_back(text.substr(0, end));
      }
      changed_.notify_all();
    }
    close(fd);
    std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  pid_t pid_ = 0;
  int in_ = -1;
  std::thread reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> answers_;
  std::map<std::string, int> acknowledged_;
  bool ended_ = false;
};

class HandoverProcessTest : public testing::Test {
 protected:
  HandoverProcessTest() : path_(folder_.Path("data")) {
    auto data = DataFolder::Open(path_);
    EXPECT_TRUE(data.ok()) << data.status();
    data_ = std::make_unique<DataFolder>(*std::move(data));
    auto store = LocalRetrieval::Open({}, *data_, pool_);
    EXPECT_TRUE(store.ok()) << store.status();
    v1::CreateCollectionRequest request;
    request.set_name("default");
    request.mutable_embedder()->set_model("test");
    request.mutable_embedder()->set_dimension(1);
    EXPECT_TRUE(SyncWait((*store)->CreateCollection(Ctx(), request)).ok());
    EXPECT_TRUE(SyncWait((*store)->Stop(Ctx())).ok());
  }

  std::unique_ptr<Child> NewChild() { return std::make_unique<Child>(path_, number_++); }
  void Gather(Child& child) {
    for (const auto& [name, chunks] : child.acknowledged()) acknowledged_[name] = chunks;
  }
  static int Rounds(int standard) {
    const char* wanted = std::getenv("TESSERA_CRASH_ROUNDS");
    return wanted != nullptr ? std::atoi(wanted) : standard;
  }
  void RandomPause(int us_max) {  // the random moment itself
    std::this_thread::sleep_for(
        std::chrono::microseconds(random_() % static_cast<unsigned>(us_max)));
  }

  // All is there that was acknowledged, once, whole; and found.
  void CheckStore() {
    auto store = LocalRetrieval::Open({}, *data_, pool_);
    ASSERT_TRUE(store.ok()) << store.status();
    std::map<std::string, int> present;
    v1::ListDocumentsRequest list;
    list.set_collection("default");
    list.set_limit(1000);
    while (true) {
      const auto page = SyncWait((*store)->ListDocuments(Ctx(), list));
      ASSERT_TRUE(page.ok()) << page.status();
      for (const v1::Document& one : page->documents())
        EXPECT_TRUE(present.emplace(one.name(), one.chunks()).second) << "twice " << one.name();
      if (page->next_page_token().empty()) break;
      list.set_page_token(page->next_page_token());
    }
    for (const auto& [name, chunks] : acknowledged_) {
      EXPECT_EQ(present.contains(name) ? present[name] : -1, chunks) << name;
      v1::SearchRequest search;
      search.set_collection("default");
      search.set_query(StrCat("word", name));
      search.set_mode(v1::SEARCH_MODE_BM25);
      const auto reply = SyncWait((*store)->Search(Ctx(), search));
      ASSERT_TRUE(reply.ok()) << reply.status();
      EXPECT_EQ(reply->hits_size(), chunks) << name;
    }
    EXPECT_TRUE(SyncWait((*store)->Stop(Ctx())).ok());
  }

  TestFolder folder_;
  const std::string path_;
  std::unique_ptr<DataFolder> data_;
  ThreadPool pool_{"blocking", 3};
  int number_ = 0;
  std::map<std::string, int> acknowledged_;
  std::mt19937 random_{20261123};
};

TEST_F(HandoverProcessTest, OneThatWasPausedWritesNothingAnyMore) {
  int in_a_write = 0;
  const int rounds = Rounds(6);
  std::unique_ptr<Child> old = NewChild();
  ASSERT_TRUE(old->Do("activate"));
  for (int i = 0; i < rounds && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(StrCat("round ", i));
    const std::unique_ptr<Child> paused = std::move(old);
    const bool writes = i % 3 != 1;  // else it is paused between two writes
    const bool yields = i % 3 == 2;
    if (writes) {
      paused->Send("write");
      paused->AwaitAcks(5);
    }
    old = NewChild();
    if (yields) ASSERT_TRUE(paused->Do("yield"));
    RandomPause(20'000);
    paused->Signal(SIGSTOP);
    old->Send("activate");
    if (!old->Await("activate 0", std::chrono::milliseconds(500))) {
      // Paused with the file's write lock: it is its turn until it lets go.
      ++in_a_write;
      EXPECT_TRUE(writes && !yields);
      paused->Signal(SIGCONT);
      ASSERT_TRUE(old->Await("activate 0"));
      paused->Signal(SIGSTOP);
    }
    old->Send("write");
    old->AwaitAcks(5);
    paused->Signal(SIGCONT);
    if (!writes) paused->Send("write");
    if (!yields) {
      const std::string refusal =
          StrCat("refused ", static_cast<int>(absl::StatusCode::kFailedPrecondition));
      for (int writer = 0; writer < kWriters; ++writer) ASSERT_TRUE(paused->Await(refusal));
    } else {
      ASSERT_TRUE(paused->Do("yield"));  // it still answers; its writers wait
    }
    paused->Kill();
    Gather(*paused);
    ASSERT_TRUE(old->Do("yield"));  // its writers wait until the end
    old->Kill();
    Gather(*old);
    old = NewChild();
    ASSERT_TRUE(old->Do("activate"));
  }
  old->Kill();
  CheckStore();
  std::printf("[ figures  ] %d rounds, %d of them paused in a write; %zu documents acknowledged\n",
              rounds, in_a_write, acknowledged_.size());
}

TEST_F(HandoverProcessTest, OneMayBeKilledAtAnyMomentOfAHandover) {
  const int rounds = Rounds(16);
  std::unique_ptr<Child> old = NewChild();
  ASSERT_TRUE(old->Do("activate"));
  std::unique_ptr<Child> next = NewChild();
  for (int i = 0; i < rounds && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(StrCat("round ", i));
    old->Send("write");
    old->AwaitAcks(5);
    old->Send("yield");
    if (i % 2 == 0) {  // the old one dies while it yields, or just after
      RandomPause(4'000);
      old->Kill();
      ASSERT_TRUE(next->Do("activate"));
      Gather(*old);
      old = std::move(next);
    } else {  // the new one dies while it takes over; the move is called off
      ASSERT_TRUE(old->Await("yield 0"));
      next->Send("activate");
      RandomPause(4'000);
      next->Kill();
      const std::size_t before = old->acknowledged().size();
      ASSERT_TRUE(old->Do("activate"));
      old->AwaitAcks(before + 5);  // what waited goes on
      ASSERT_TRUE(old->Do("yield"));
      old->Kill();
      Gather(*old);
      old = NewChild();
      ASSERT_TRUE(old->Do("activate"));
    }
    next = NewChild();
  }
  old->Kill();
  Gather(*old);
  CheckStore();
  std::printf("[ figures  ] %d rounds; %zu documents acknowledged\n", rounds, acknowledged_.size());
}

}  // namespace
}  // namespace tessera
