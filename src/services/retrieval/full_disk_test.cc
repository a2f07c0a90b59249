// A full disk is a clear refusal; what was acknowledged stays, and writing goes on once there is
// room.

#include <functional>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"
#include "services/retrieval/test_store.h"

namespace tessera {
namespace {

// Writes documents until one is refused; returns how many were acknowledged, and the refusal.
int Fill(TestStore& store, int first, Status& refusal) {
  const std::string text(3000, 'x');
  for (int i = first; i < first + 5000; ++i) {
    const auto begun = store.Begin("default", StrCat("f", i), "1");
    refusal = begun.status();
    if (begun.ok()) refusal = store.Append(begun->id(), {{text, {1, 0, 0, 0}}}).status();
    if (refusal.ok()) refusal = store.Commit(begun->id()).status();
    if (!refusal.ok()) return i;
  }
  return -1;
}

void TryFullDisk(const std::string& data, absl::StatusCode expected,
                 const std::function<void()>& limit, const std::function<void()>& lift) {
  int written = 0;
  {
    TestStore store(data, {});
    store.MakeCollection("default", 4);
    limit();
    Status refusal;
    written = Fill(store, 0, refusal);
    EXPECT_GT(written, 0);
    EXPECT_EQ(refusal.code(), expected) << refusal;
    EXPECT_NE(StdView(refusal.message()).find("tessera.db"), std::string_view::npos) << refusal;
    // Reading goes on.
    EXPECT_EQ(store.Find("default", "", {1, 0, 0, 0}).size(), 10u);
    lift();
    const auto more = store.Begin("default", "later", "1");
    ASSERT_TRUE(more.ok()) << more.status();
    ASSERT_TRUE(store.Append(more->id(), {{"room again", {0, 1, 0, 0}}}).ok());
    ASSERT_TRUE(store.Commit(more->id()).ok());
  }
  TestStore store(data, {});
  EXPECT_EQ(store.Collection("default").documents(), static_cast<std::uint64_t>(written + 1));
  EXPECT_EQ(store.Find("default", "room again", {}).size(), 1u);
  v1::ListDocumentsRequest list = store.List("default");
  for (const int i : {0, written / 2, written - 1}) {
    list.set_name(StrCat("f", i));
    EXPECT_EQ(SyncWait(store->ListDocuments(Ctx(), list))->documents_size(), 1) << i;
  }
}

TEST(FullDiskTest, FileSizeLimit) {
  TestFolder folder;
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  // SQLite does not say why this write failed, so it is "the disk fails" and not "the disk is
  // full".
  TryFullDisk(
      folder.Path("data"), absl::StatusCode::kUnavailable,
      [&] {
        rlimit small = before;
        small.rlim_cur = 1 << 20;
        setrlimit(RLIMIT_FSIZE, &small);
      },
      [&] { setrlimit(RLIMIT_FSIZE, &before); });
  signal(SIGXFSZ, SIG_DFL);
}

TEST(FullDiskTest, FullFileSystem) {
  TestFolder folder;
  const std::string disk = folder.Path("disk");
  std::filesystem::create_directory(disk);
  if (geteuid() != 0 || mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=3m") != 0)
    GTEST_SKIP() << "needs root to mount a small file system";
  TryFullDisk(
      disk + "/data", absl::StatusCode::kResourceExhausted, [] {},
      [&] { EXPECT_EQ(mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=16m"), 0); });
  EXPECT_EQ(umount(disk.c_str()), 0);
}

}  // namespace
}  // namespace tessera
