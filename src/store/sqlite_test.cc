#include "store/sqlite.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/data_folder.h"
#include "store/test_folder.h"

namespace tessera {
namespace {

constexpr SqliteMigration kMigrations[] = {
    {1, "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB, n REAL)"},
    {2, "ALTER TABLE a ADD COLUMN more INTEGER NOT NULL DEFAULT 7"},
};

std::unique_ptr<SqliteConnection> OpenTest(const std::string& path) {
  auto connection = SqliteConnection::Open(path);
  EXPECT_TRUE(connection.ok()) << connection.status();
  EXPECT_TRUE(MigrateSqlite(**connection, kMigrations).ok());
  return *std::move(connection);
}

TEST(SqliteTest, KeepsEveryKindOfValue) {
  TestFolder folder;
  auto db = OpenTest(folder.Path("a.db"));
  const std::byte blob[] = {std::byte{0}, std::byte{255}};
  ASSERT_TRUE(db->Run("INSERT INTO a(id,name,data,n) VALUES(?,?,?,?)", 5, std::string("x\0y", 3),
                      std::span<const std::byte>(blob), 1.5)
                  .ok());
  ASSERT_TRUE(db->Run("INSERT INTO a(id,name,data) VALUES(?,?,?)", 6, "", std::nullopt).ok());
  auto statement = db->Prepare("SELECT name,data,n,more FROM a ORDER BY id");
  ASSERT_TRUE(*statement->Step());
  EXPECT_EQ(statement->Text(0), std::string_view("x\0y", 3));
  EXPECT_EQ(statement->Blob(1).size(), 2u);
  EXPECT_EQ(statement->Real(2), 1.5);
  EXPECT_EQ(statement->Int(3), 7);
  ASSERT_TRUE(*statement->Step());
  EXPECT_FALSE(statement->IsNull(0));
  EXPECT_EQ(statement->Text(0), "");
  EXPECT_TRUE(statement->IsNull(1));
  EXPECT_FALSE(*statement->Step());
}

TEST(SqliteTest, UncommittedIsRolledBack) {
  TestFolder folder;
  auto db = OpenTest(folder.Path("a.db"));
  {
    auto transaction = SqliteTransaction::Begin(*db);
    ASSERT_TRUE(db->Run("INSERT INTO a(name) VALUES('lost')").ok());
  }
  {
    auto transaction = SqliteTransaction::Begin(*db);
    ASSERT_TRUE(db->Run("INSERT INTO a(name) VALUES('kept')").ok());
    ASSERT_TRUE(transaction->Commit().ok());
  }
  EXPECT_EQ(db->QueryInt("SELECT count(*) FROM a")->value(), 1);
}

TEST(SqliteTest, StatementsOfOneTextCanBeUsedTogether) {
  TestFolder folder;
  auto db = OpenTest(folder.Path("a.db"));
  ASSERT_TRUE(db->Run("INSERT INTO a(name) VALUES('x'),('y')").ok());
  auto first = db->Prepare("SELECT name FROM a ORDER BY id");
  ASSERT_TRUE(*first->Step());
  auto second = db->Prepare("SELECT name FROM a ORDER BY id");
  ASSERT_TRUE(*second->Step());
  ASSERT_TRUE(*second->Step());
  EXPECT_EQ(first->Text(0), "x");
  EXPECT_EQ(second->Text(0), "y");
}

TEST(SqliteTest, ErrorsHaveTheirCodes) {
  TestFolder folder;
  auto db = OpenTest(folder.Path("a.db"));
  ASSERT_TRUE(db->Run("INSERT INTO a(name) VALUES('x')").ok());
  EXPECT_EQ(db->Run("INSERT INTO a(name) VALUES('x')").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(db->Run("SELECT nothing FROM nowhere").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(db->Run("SELECT ?", 1, 2).code(), absl::StatusCode::kInternal);  // one bind too many

  const std::string garbage = folder.Path("garbage.db");
  std::ofstream(garbage) << std::string(8192, 'g');
  EXPECT_EQ(SqliteConnection::Open(garbage).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(SqliteConnection::Open(folder.Path("none/x.db")).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(SqliteTest, FullDiskNamesTheFile) {
  TestFolder folder;
  auto db = OpenTest(folder.Path("a.db"));
  ASSERT_TRUE(db->Script("PRAGMA max_page_count=10").ok());
  const std::string big(200'000, 'x');
  const Status status = db->Run("INSERT INTO a(name) VALUES(?)", big);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(std::string(status.message()).find("a.db"), std::string::npos) << status;
  EXPECT_EQ(db->QueryInt("SELECT count(*) FROM a")->value(), 0);
}

TEST(SqliteTest, OldFilesAreMigratedAndNewerOnesRefused) {
  TestFolder folder;
  const std::string path = folder.Path("a.db");
  {
    auto db = *SqliteConnection::Open(path);
    ASSERT_TRUE(MigrateSqlite(*db, std::span(kMigrations).first(1)).ok());
    ASSERT_TRUE(db->Run("INSERT INTO a(name) VALUES('old')").ok());
  }
  {
    auto db = OpenTest(path);
    EXPECT_EQ(db->QueryInt("SELECT more FROM a WHERE name='old'")->value(), 7);
    ASSERT_TRUE(db->Script("PRAGMA user_version=9").ok());
    EXPECT_EQ(MigrateSqlite(*db, kMigrations).code(), absl::StatusCode::kFailedPrecondition);
  }
}

TEST(SqliteTest, FailedMigrationLeavesTheOldVersion) {
  TestFolder folder;
  auto db = OpenTest(folder.Path("a.db"));
  const SqliteMigration broken[] = {
      kMigrations[0], kMigrations[1], {3, "CREATE TABLE b (x); CREATE TABLE a (x)"}};
  EXPECT_FALSE(MigrateSqlite(*db, broken).ok());
  EXPECT_EQ(db->QueryInt("PRAGMA user_version")->value(), 2);
  EXPECT_EQ(db->QueryInt("SELECT count(*) FROM sqlite_master WHERE name='b'")->value(), 0);
}

TEST(DataFolderTest, SecondProcessIsRefusedUntilTheFirstDies) {
  TestFolder folder;
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto held = DataFolder::Open(folder.Path("data"));
    const char ready = held.ok() ? 'y' : 'n';
    (void)!write(pipe_fds[1], &ready, 1);
    pause();
    _exit(0);
  }
  char ready = 0;
  ASSERT_EQ(read(pipe_fds[0], &ready, 1), 1);
  ASSERT_EQ(ready, 'y');
  const auto refused = DataFolder::Open(folder.Path("data"));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(refused.status().message()).find(std::to_string(child)), std::string::npos);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(DataFolder::Open(folder.Path("data")).ok());
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST(DataFolderTest, OriginalsAreKeptByContent) {
  TestFolder folder;
  auto data = DataFolder::Open(folder.Path("data"));
  ASSERT_TRUE(data.ok());
  const std::string sha(64, 'a');
  for (int i = 0; i < 2; ++i) {
    const std::string file = data->tmp() + "/up";
    std::ofstream(file) << "text";
    const auto kept = data->KeepOriginal(file, sha);
    ASSERT_TRUE(kept.ok()) << kept.status();
    EXPECT_EQ(*kept, "originals/aa/" + sha);
    EXPECT_FALSE(std::filesystem::exists(file));
  }
  EXPECT_EQ(std::filesystem::file_size(data->Path("originals/aa/" + sha)), 4u);
  EXPECT_FALSE(data->KeepOriginal("x", "../../etc/passwd").ok());
}

}  // namespace
}  // namespace tessera
