// The folder's lock between real processes.

#include "store/data_folder.h"

#include <cstdio>
#include <fstream>

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/test_folder.h"

extern char** environ;

namespace tessera {
namespace {

// A process that does nothing but hold `lock` as its descriptor 3, if it is not -1.
pid_t StartHolder(int lock) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (lock >= 0) posix_spawn_file_actions_adddup2(&actions, lock, 3);
  const char* arguments[] = {"sleep", "60", nullptr};
  pid_t child = 0;
  EXPECT_EQ(
      posix_spawnp(&child, "sleep", &actions, nullptr, const_cast<char**>(arguments), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

void Kill(pid_t child) {
  EXPECT_EQ(kill(child, SIGKILL), 0);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
}

TEST(DataFolderTest, AChildWithTheLockKeepsTheFolderLocked) {
  TestFolder folder;
  pid_t child = 0;
  {
    auto data = DataFolder::Open(folder.Path("data"));
    ASSERT_TRUE(data.ok()) << data.status();
    child = StartHolder(data->lock_fd());
  }
  // The first process of the platform is gone, the child is not.
  EXPECT_EQ(DataFolder::Open(folder.Path("data")).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(DataFolder::Join(folder.Path("data")).ok());
  Kill(child);
  EXPECT_EQ(DataFolder::Join(folder.Path("data")).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(DataFolder::Open(folder.Path("data")).ok());
}

TEST(DataFolderTest, AChildWithoutTheLockDoesNot) {
  TestFolder folder;
  pid_t child = 0;
  {
    auto data = DataFolder::Open(folder.Path("data"));
    child = StartHolder(-1);
  }
  EXPECT_TRUE(DataFolder::Open(folder.Path("data")).ok());
  Kill(child);
}

TEST(DataFolderTest, JoiningTakesAndEmptiesNothing) {
  TestFolder folder;
  EXPECT_EQ(DataFolder::Join(folder.Path("data")).status().code(), absl::StatusCode::kNotFound);
  auto data = DataFolder::Open(folder.Path("data"));
  std::ofstream(data->tmp() + "/upload") << "text";
  {
    auto joined = DataFolder::Join(folder.Path("data"));
    ASSERT_TRUE(joined.ok()) << joined.status();
    EXPECT_EQ(joined->path(), data->path());
    EXPECT_EQ(joined->lock_fd(), -1);
  }
  EXPECT_TRUE(std::filesystem::exists(data->tmp() + "/upload"));
  EXPECT_FALSE(DataFolder::Open(folder.Path("data")).ok());
}

TEST(DataFolderTest, OriginalsAreRemovedOnlyWhileNobodyNeedsThem) {
  TestFolder folder;
  auto data = DataFolder::Open(folder.Path("data"));
  auto joined = DataFolder::Join(folder.Path("data"));
  {
    const auto shared = data->ShareOriginals();
    ASSERT_TRUE(shared.ok()) << shared.status();
    EXPECT_TRUE(joined->ShareOriginals().ok());
    EXPECT_FALSE(joined->TryOwnOriginals()->has_value());
  }
  const auto own = joined->TryOwnOriginals();
  ASSERT_TRUE(own.ok() && own->has_value());
  EXPECT_FALSE(data->TryOwnOriginals()->has_value());
}

}  // namespace
}  // namespace tessera
