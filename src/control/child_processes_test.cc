#include "control/child_processes.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <map>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/passed_descriptors.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

class ChildProcessesTest : public ::testing::Test {
 protected:
  std::string WaitFor(int pid) {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return how_.contains(pid); });
    return how_[pid];
  }

  std::mutex mutex_;
  std::condition_variable ended_;
  std::map<int, std::string> how_;
  ChildProcesses children_{[this](int pid, const std::string& how) {
    std::lock_guard lock(mutex_);
    how_[pid] = how;
    ended_.notify_all();
  }};
};

TEST_F(ChildProcessesTest, PassesDescriptorsAndTellsHowItEnded) {
  const auto told = FileOf("seven\n");
  ASSERT_TRUE(told.ok());
  int out[2];
  ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
  const OwnedFd from(out[0]);
  OwnedFd to(out[1]);
  // The second source has the number of the first target.
  const auto pid = children_.Start({.binary = "/bin/sh",
                                    .args = {"-c", "cat <&3 >&4; exit 7"},
                                    .descriptors = {told->get(), to.get()}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  to = OwnedFd();
  EXPECT_EQ(*ReadWhole(from.get(), 100), "seven\n");
  EXPECT_EQ(WaitFor(*pid), "ended with exit code 7");
}

TEST_F(ChildProcessesTest, KillsAndReaps) {
  const auto pid = children_.Start({.binary = "/bin/sleep", .args = {"100"}});
  ASSERT_TRUE(pid.ok());
  children_.Signal(*pid, SIGKILL);
  EXPECT_EQ(WaitFor(*pid), "was killed by signal 9");
  EXPECT_EQ(::kill(*pid, 0), -1);   // reaped, not a zombie
  children_.Signal(*pid, SIGKILL);  // nothing happens to who has the pid now
}

TEST_F(ChildProcessesTest, SignalsAreNotBlockedInChildren) {
  sigset_t term;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &term, nullptr), 0);
  const auto pid = children_.Start({.binary = "/bin/sleep", .args = {"100"}});
  children_.Signal(*pid, SIGTERM);
  EXPECT_EQ(WaitFor(*pid), "was killed by signal 15");
  ::pthread_sigmask(SIG_UNBLOCK, &term, nullptr);
}

TEST_F(ChildProcessesTest, SaysWhichProgramIsMissing) {
  const auto pid = children_.Start({.binary = "/no/such/program"});
  EXPECT_TRUE(absl::IsUnavailable(pid.status()));
  EXPECT_THAT(std::string(pid.status().message()), HasSubstr("/no/such/program"));
}

TEST_F(ChildProcessesTest, ADescriptorMayNameTheProgramAndNoOtherIsLeaked) {
  const OwnedFd program(::open("/bin/sh", O_PATH | O_CLOEXEC));
  int out[2];
  ASSERT_EQ(::pipe(out), 0);  // not close-on-exec, as a careless library makes them
  const OwnedFd from(out[0]);
  OwnedFd to(out[1]);
  const auto pid = children_.Start({.program = program.get(), .args = {"-c", "sleep 100"}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  to = OwnedFd();
  EXPECT_EQ(*ReadWhole(from.get(), 100), "") << "the child does not keep it open";
  children_.Signal(*pid, SIGKILL);
  EXPECT_EQ(WaitFor(*pid), "was killed by signal 9");
}

TEST_F(ChildProcessesTest, AnotherWatcherGoesOn) {
  std::string how;
  std::condition_variable ended;
  const auto pid = children_.Start({.binary = "/bin/sleep", .args = {"100"}});
  ASSERT_TRUE(pid.ok());
  ChildProcesses others([&](int, const std::string& it) {
    std::lock_guard lock(mutex_);
    how = it;
    ended.notify_all();
  });
  others.Adopt(*pid, children_.Handle(*pid));
  children_.Forget(*pid);
  EXPECT_FALSE(children_.Handle(*pid));
  children_.Signal(*pid, SIGKILL);  // not its own any more
  others.Signal(*pid, SIGTERM);
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(ended.wait_for(lock, std::chrono::seconds(10), [&] { return !how.empty(); }));
  lock.unlock();
  int status = 0;
  ::waitpid(*pid, &status, 0);
}

TEST(PassedDescriptors, ArriveInOrderWithTheirText) {
  auto ends = MakeSocketPair();
  ASSERT_TRUE(ends.ok());
  const auto file = FileOf("seven");
  ASSERT_TRUE(SendDescriptors(ends->first.get(), "one", {file->get(), file->get()}).ok());
  ASSERT_TRUE(SendDescriptors(ends->first.get(), "two", {}).ok());
  const auto one = ReceiveDescriptors(ends->second.get(), std::chrono::seconds(1));
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->text, "one");
  ASSERT_EQ(one->descriptors.size(), 2u);
  EXPECT_EQ(*ReadWhole(one->descriptors[1].get(), 100), "seven");
  EXPECT_EQ(ReceiveDescriptors(ends->second.get(), std::chrono::seconds(1))->text, "two");
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      ReceiveDescriptors(ends->second.get(), std::chrono::milliseconds(1)).status()));
  ends->first = OwnedFd();
  EXPECT_TRUE(absl::IsUnavailable(
      ReceiveDescriptors(ends->second.get(), std::chrono::seconds(1)).status()));
}

TEST(ListenOnUnixSocket, ReplacesWhatLayThereAndIsForTheOwnerOnly) {
  std::string folder = ::testing::TempDir() + "/socket-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/s";
  for (int i = 0; i < 2; ++i) {
    const auto listening = ListenOnUnixSocket(path);
    ASSERT_TRUE(listening.ok()) << listening.status();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    const OwnedFd caller(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(caller.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_FALSE(ListenOnUnixSocket(std::string(200, 'x')).ok());
  ::unlink(path.c_str());
  ::rmdir(folder.c_str());
}

}  // namespace
}  // namespace tessera
