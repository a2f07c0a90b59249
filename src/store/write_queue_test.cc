#include "store/write_queue.h"

#include <latch>
#include <thread>

#include <gtest/gtest.h>

#include "runtime/thread_pool.h"
#include "store/test_folder.h"

namespace tessera {
namespace {

class WriteQueueTest : public testing::Test {
 protected:
  WriteQueueTest() : pool_("blocking", 2) {
    auto connection = SqliteConnection::Open(folder_.Path("a.db"));
    EXPECT_TRUE((*connection)->Script("CREATE TABLE t (x INTEGER UNIQUE)").ok());
    queue_ = std::make_unique<WriteQueue>(*std::move(connection), pool_);
  }
  std::int64_t Rows() {
    auto reader = SqliteConnection::Open(folder_.Path("a.db"));
    return (*reader)->QueryInt("SELECT count(*) FROM t")->value();
  }
  static Write Insert(int value) {
    Write write;
    write.apply = [value](SqliteConnection& db) {
      return db.Run("INSERT INTO t VALUES(?)", value);
    };
    return write;
  }

  TestFolder folder_;
  ThreadPool pool_;
  std::unique_ptr<WriteQueue> queue_;
};

TEST_F(WriteQueueTest, WritesThatWaitTogetherShareACommit) {
  // The first write holds the writer until all others wait.
  std::latch all_wait(1);
  std::vector<std::thread> threads;
  Write first = Insert(0);
  std::latch begun(1);
  first.apply = [&](SqliteConnection& db) {
    begun.count_down();
    all_wait.wait();
    return db.Run("INSERT INTO t VALUES(0)");
  };
  threads.emplace_back([&] { EXPECT_TRUE(SyncWait(queue_->Run(Ctx(), std::move(first))).ok()); });
  begun.wait();
  constexpr int kWrites = 20;
  for (int i = 1; i <= kWrites; ++i) {
    threads.emplace_back([&, i] { EXPECT_TRUE(SyncWait(queue_->Run(Ctx(), Insert(i))).ok()); });
    while (queue_->pending() < static_cast<std::size_t>(i)) std::this_thread::yield();
  }
  all_wait.count_down();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Rows(), kWrites + 1);
  EXPECT_EQ(queue_->commits(), 2u);
}

TEST_F(WriteQueueTest, AFailureUndoesItsOwnChangesOnly) {
  ASSERT_TRUE(SyncWait(queue_->Run(Ctx(), Insert(1))).ok());
  bool undone = false;
  Write write;
  write.apply = [](SqliteConnection& db) -> Status {
    TRY(db.Run("INSERT INTO t VALUES(2)"));
    return db.Run("INSERT INTO t VALUES(1)");  // not unique
  };
  write.undo = [&] { undone = true; };
  EXPECT_TRUE(absl::IsAlreadyExists(SyncWait(queue_->Run(Ctx(), std::move(write)))));
  EXPECT_TRUE(undone);
  EXPECT_EQ(Rows(), 1);
  EXPECT_TRUE(SyncWait(queue_->Run(Ctx(), Insert(3))).ok());
}

TEST_F(WriteQueueTest, ACancelledCallIsNotApplied) {
  CancelSource source;
  source.Cancel(absl::CancelledError("gone"));
  EXPECT_TRUE(absl::IsCancelled(SyncWait(queue_->Run(Ctx(nullptr, source.token()), Insert(1)))));
  EXPECT_EQ(Rows(), 0);
}

}  // namespace
}  // namespace tessera
