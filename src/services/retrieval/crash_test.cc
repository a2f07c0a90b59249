// kill -9 at random moments: what was acknowledged is there, whole and once; what was not is absent
// or whole.

#include <cstdlib>
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
#include "base/str.h"
#include "services/retrieval/test_store.h"

extern char** environ;

namespace tessera {
namespace {

constexpr int kWriters = 4;
constexpr int kNames = 3;  // a writer replaces its documents in turn
constexpr int kDeleteEvery = 7;

std::string NameOf(int writer, int version) { return StrCat("w", writer, "-", version % kNames); }
std::string TokenOf(int writer, int version) { return StrCat("token", writer, "x", version, "y"); }
int ChunksOf(int version) { return 1 + version % 5; }
bool IsDelete(int version) { return version % kDeleteEvery == kDeleteEvery - 1; }

// One step of a writer: writes version `version` of a document, or deletes what has its name.
Status Step(TestStore& store, int writer, int version) {
  const std::string name = NameOf(writer, version);
  if (IsDelete(version)) {
    v1::ListDocumentsRequest list = store.List("default");
    list.set_name(name);
    TRY(const auto found, SyncWait(store->ListDocuments(Ctx(), list)));
    for (const auto& document : found.documents()) {
      v1::DeleteDocumentRequest request;
      request.set_id(document.id());
      TRY(SyncWait(store->DeleteDocument(Ctx(), request)));
    }
    return absl::OkStatus();
  }
  TRY(const auto begun, store.Begin("default", name, StrCat("sha", version)));
  for (int i = 0; i < ChunksOf(version); ++i) {
    TRY(store.Append(begun.id(), {{TokenOf(writer, version), {1, 0, 0, static_cast<float>(i)}}},
                     static_cast<std::uint32_t>(i)));
  }
  TRY(store.Commit(begun.id(), {{"version", StrCat(version)}}));
  return absl::OkStatus();
}

// The process that is killed. TESSERA_CRASH="data folder;first version"; acknowledges on fd 3.
TEST(CrashTest, DISABLED_Child) {
  const std::vector<std::string> parts = absl::StrSplit(std::getenv("TESSERA_CRASH"), ';');
  int first = 0;
  ASSERT_TRUE(absl::SimpleAtoi(parts[1], &first));
  TestStore store(parts[0], {.dead_rows_max = 20});
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&store, writer, first] {
      for (int version = first;; ++version) {
        if (!Step(store, writer, version).ok()) _exit(3);
        const std::string line = StrCat(writer, " ", version, "\n");
        if (::write(3, line.data(), line.size()) < 0) _exit(4);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
}

// Runs the child until it has acknowledged something and `delay_us` more, and kills it; returns the
// last version that each writer had acknowledged.
std::map<int, int> RunAndKill(const std::string& data, int first, int delay_us) {
  int fds[2];
  EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fds[1], 3);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  const std::string setting = StrCat("TESSERA_CRASH=", data, ";", first);
  std::vector<char*> environment;
  for (char** one = environ; *one != nullptr; ++one) environment.push_back(*one);
  environment.push_back(const_cast<char*>(setting.c_str()));
  environment.push_back(nullptr);
  const char* arguments[] = {"retrieval_tests", "--gtest_also_run_disabled_tests",
                             "--gtest_filter=CrashTest.DISABLED_Child", nullptr};
  pid_t child = 0;
  EXPECT_EQ(posix_spawn(&child, "/proc/self/exe", &actions, nullptr, const_cast<char**>(arguments),
                        environment.data()),
            0);
  posix_spawn_file_actions_destroy(&actions);
  close(fds[1]);

  std::string text(1, '\0');
  EXPECT_EQ(read(fds[0], text.data(), 1), 1) << "the child never acknowledged a write";
  std::this_thread::sleep_for(std::chrono::microseconds(delay_us));  // the random moment itself
  EXPECT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
  char buffer[4096];
  for (ssize_t size; (size = read(fds[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(size));
  close(fds[0]);

  std::map<int, int> acknowledged;
  for (const auto& line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    int writer = 0;
    int version = 0;
    if (words.size() == 2 && absl::SimpleAtoi(words[0], &writer) &&
        absl::SimpleAtoi(words[1], &version))
      acknowledged[writer] = version;
  }
  return acknowledged;
}

// What may be there under each writer's names: versions, kAbsent for no document. One, once it has
// been looked at; two, while a step was under way at the kill.
constexpr int kAbsent = -1;
using Possible = std::map<std::string, std::set<int>>;

int Effect(int version) { return IsDelete(version) ? kAbsent : version; }

struct Round {
  int first = 0;                    // every writer began with this version
  std::map<int, int> acknowledged;  // the last one, where there was one
  int UnderWay(int writer) const {
    const auto last = acknowledged.find(writer);
    return last == acknowledged.end() ? first : last->second + 1;
  }
};

void Foresee(const Round& round, Possible& possible) {
  for (int writer = 0; writer < kWriters; ++writer) {
    const int under_way = round.UnderWay(writer);
    for (int version = round.first; version < under_way; ++version)
      possible[NameOf(writer, version)] = {Effect(version)};
    std::set<int>& states = possible[NameOf(writer, under_way)];
    if (states.empty()) states.insert(kAbsent);
    states.insert(Effect(under_way));
  }
}

// Each version that was tried is found by its own word, in all its chunks, if it is the one that is
// there; else not at all.
void CheckWords(TestStore& store, const Round& round, const std::map<std::string, int>& present) {
  for (int writer = 0; writer < kWriters; ++writer) {
    for (int version = round.first; version <= round.UnderWay(writer); ++version) {
      if (IsDelete(version)) continue;
      const auto held = present.find(NameOf(writer, version));
      const bool there = held != present.end() && held->second == version;
      v1::SearchRequest request = store.Query("default", TokenOf(writer, version), {});
      request.set_mode(v1::SEARCH_MODE_BM25);
      const auto reply = SyncWait(store->Search(Ctx(), request));
      ASSERT_TRUE(reply.ok()) << reply.status();
      EXPECT_EQ(reply->hits_size(), there ? ChunksOf(version) : 0) << TokenOf(writer, version);
    }
  }
}

void CheckStore(const std::string& data, const Round& round, Possible& possible) {
  TestStore store(data, {});
  auto db = SqliteConnection::Open(store.data().Path("tessera.db"));
  auto check = (*db)->Prepare("PRAGMA integrity_check");
  ASSERT_TRUE(*check->Step());
  EXPECT_EQ(check->Text(0), "ok");

  std::map<std::string, int> present;
  v1::ListDocumentsRequest list = store.List("default");
  list.set_limit(1000);
  const auto documents = SyncWait(store->ListDocuments(Ctx(), list));
  ASSERT_TRUE(documents.ok()) << documents.status();
  for (const v1::Document& document : documents->documents()) {
    int version = 0;
    ASSERT_TRUE(absl::SimpleAtoi(document.metadata().at("version"), &version));
    EXPECT_EQ(static_cast<int>(document.chunks()), ChunksOf(version)) << "half a document";
    EXPECT_TRUE(present.emplace(document.name(), version).second) << "twice " << document.name();
  }
  EXPECT_EQ(store.Collection("default").documents(), present.size());
  for (auto& [name, states] : possible) {
    const int state = present.contains(name) ? present[name] : kAbsent;
    EXPECT_TRUE(states.contains(state))
        << name << " is " << state << ", may be " << testing::PrintToString(states);
    states = {state};
  }
  CheckWords(store, round, present);
}

TEST(CrashTest, AcknowledgedSurvivesKill) {
  const char* wanted = std::getenv("TESSERA_CRASH_ROUNDS");
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 20;
  TestFolder folder;
  const std::string data = folder.Path("data");
  {
    TestStore store(data, {});
    store.MakeCollection("default", 4);
  }
  std::mt19937 random(20261123);
  Possible possible;
  Round round;
  for (int i = 0; i < rounds && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(StrCat("round ", i));
    round.acknowledged = RunAndKill(data, round.first, static_cast<int>(random() % 60'000));
    Foresee(round, possible);
    CheckStore(data, round, possible);
    for (int writer = 0; writer < kWriters; ++writer)
      round.first = std::max(round.first, round.UnderWay(writer) + 1);
  }
  EXPECT_GT(round.first, rounds) << "too little was written to mean anything";
}

}  // namespace
}  // namespace tessera
