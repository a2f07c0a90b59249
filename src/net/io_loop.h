#pragma once
// Event loops: one thread, one epoll set each; sockets and the coroutines on them stay on one loop.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/executor.h"
#include "runtime/resource_use.h"

namespace boost::asio {
class io_context;
}

namespace tessera {

/// An executor that is one thread waiting for sockets and closures. Must not be held for more than
/// a millisecond. Destroying it stops and joins; coroutines still waiting on it are then lost, so
/// servers and clients on it end first.
class IoLoop final : public Executor {
 public:
  explicit IoLoop(std::string name = "io");
  ~IoLoop() override;
  void Post(Closure closure) override;
  /// For the files of net that own sockets.
  boost::asio::io_context& context() { return *context_; }

 private:
  /// What a closure of ours that went through the loop has found.
  struct Lag {
    std::atomic<bool> asked{false};
    std::atomic<double> seconds{0};
  };
  void Run();
  ResourceUse Use();

  const std::string name_;
  std::unique_ptr<boost::asio::io_context> context_;
  const std::shared_ptr<Lag> lag_ = std::make_shared<Lag>();
  std::thread thread_;
  std::optional<ResourceProbe> probe_;  // goes before the thread, whose time it tells
};

/// The process's loops. Thread-safe.
class IoLoops {
 public:
  /// `count` 0: one a processor.
  explicit IoLoops(int count);
  std::size_t size() const { return loops_.size(); }
  IoLoop& operator[](std::size_t index) { return *loops_[index]; }
  /// The caller's own loop when it runs on one of these, else one of them in turn.
  IoLoop& Any();
  /// The caller's own loop when it runs on one of these; nullptr when not.
  IoLoop* Current() const;

 private:
  std::vector<std::unique_ptr<IoLoop>> loops_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace tessera
