#pragma once
// grpc.health.v1 and grpc.reflection. Only for remote's own .cc files.

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "remote/server_call.h"
#include "runtime/waiter.h"

namespace tessera {

/// What is serving, for grpc.health.v1.Health. Thread-safe.
class HealthTable {
 public:
  void Set(const std::string& service, bool serving);
  void SetAll(bool serving);

  Task<Status> Check(std::shared_ptr<ServerCall> call);
  Task<Status> Watch(std::shared_ptr<ServerCall> call);

 private:
  /// A grpc.health.v1 ServingStatus.
  int Get(const std::string& service);
  void WakeWatchers();
  Task<Status> Follow(std::shared_ptr<ServerCall> call, std::string service, std::uint64_t id);

  std::mutex mutex_;
  std::map<std::string, bool> serving_;
  std::map<std::uint64_t, WaiterHandle> watchers_;
  std::uint64_t next_watcher_ = 0;
};

/// Answers the requests of grpc.reflection.v1 and v1alpha, whose messages are alike.
Task<Status> ServeReflection(std::shared_ptr<ServerCall> call, std::vector<std::string> services,
                             bool alpha);

}  // namespace tessera
