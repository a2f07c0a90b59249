#include "remote/testing/test_door.h"

#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "remote/channel.h"
#include "remote/server.h"
#include "runtime/thread_pool.h"

extern char** environ;

namespace tessera {
namespace {

/// Another process that serves a contract by passing every call on. It ends when told, or with us.
class PassingProcess {
 public:
  PassingProcess(std::string contract, std::string address, std::string passes_to) {
    int leash[2];
    int ready[2];
    CHECK(::pipe2(leash, O_CLOEXEC) == 0 && ::pipe2(ready, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, leash[0], 0);
    posix_spawn_file_actions_adddup2(&files, ready[1], 1);
    std::string program = TESSERA_TEST_DOOR_PROCESS;
    char* arguments[] = {program.data(), contract.data(), address.data(), passes_to.data(),
                         nullptr};
    CHECK(::posix_spawn(&process_, program.c_str(), &files, nullptr, arguments, environ) == 0);
    posix_spawn_file_actions_destroy(&files);
    ::close(leash[0]);
    ::close(ready[1]);
    leash_ = leash[1];
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1) << program << " did not start";
    ::close(ready[0]);
  }
  ~PassingProcess() {
    ::close(leash_);
    int status = 0;
    EXPECT_EQ(::waitpid(process_, &status, 0), process_);
    EXPECT_EQ(status, 0) << "the process between the test and the service";
  }
  PassingProcess(const PassingProcess&) = delete;

 private:
  pid_t process_ = 0;
  int leash_ = -1;
};

class SocketWire final : public TestWire {
 public:
  SocketWire(std::string_view contract, std::vector<MethodBinding> methods, bool between,
             Repeats repeats) {
    const char* const temporary = std::getenv("TMPDIR");  // tidy: a test's own
    folder_ = StrCat(temporary == nullptr ? "/tmp" : temporary, "/tessera_door_XXXXXX");
    CHECK(::mkdtemp(folder_.data()) != nullptr);
    std::string address = StrCat("unix:", folder_, "/service");
    RemoteServerConfig config;
    config.listeners = {{.address = address, .trusts_identity = true}};
    server_ = std::make_unique<RemoteServer>(std::move(config), service_loops_, cpu_);
    server_->Serve(std::move(methods));
    const Status started = server_->Start();
    EXPECT_TRUE(started.ok()) << started;
    if (between) {
      const std::string front = StrCat("unix:", folder_, "/between");
      process_.emplace(std::string(contract), front, address);
      address = front;
    }
    RemoteChannelConfig channel;
    channel.address = address;
    channel.send_identity = true;
    channel.repeat_idempotent = repeats == Repeats::kIdempotent;
    channel_.emplace(channel, test_loops_);
  }
  ~SocketWire() override {
    EXPECT_TRUE(SyncWait(channel_->Close()).ok());
    process_.reset();
    const Status drained = SyncWait(server_->Drain(Ctx().WithTimeout(std::chrono::seconds(20))));
    EXPECT_TRUE(drained.ok()) << drained << ": calls in the service outlived their callers";
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  RemoteCaller& caller() override { return *channel_; }

 private:
  std::string folder_;
  IoLoops service_loops_{1};
  IoLoops test_loops_{1};
  ThreadPool cpu_{"cpu", 1};
  std::unique_ptr<RemoteServer> server_;
  std::optional<PassingProcess> process_;
  std::optional<RemoteChannel> channel_;
};

}  // namespace

std::unique_ptr<TestWire> TestWire::To(std::string_view contract,
                                       std::vector<MethodBinding> methods, Repeats repeats) {
  const char* const said = std::getenv("TESSERA_TEST_DOOR");  // tidy: a test's own
  const std::string way = said == nullptr ? "direct" : said;
  if (way == "direct") return nullptr;
  CHECK(way == "grpc" || way == "process");
  return std::make_unique<SocketWire>(contract, std::move(methods), way == "process", repeats);
}

}  // namespace tessera
